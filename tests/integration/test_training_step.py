"""What a training step changes: trainable parameters, and no frozen ones."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data._utils.pin_memory import pin_memory

from tests.fakes.datasets import make_spec, write_dataset
from tests.fakes.libraries import imported
from tests.fakes.training_steps import make_training_step


def test_frozen_parameters_get_no_moments_and_keep_their_values_in_the_ema(tmp_path: Path) -> None:
    batches = imported("tasks.training.worker.data.loaders", tmp_path)
    room = imported("tasks.training.worker.model.flat_state", tmp_path).room
    learning = make_training_step(make_spec(write_dataset(tmp_path / "data", 2, 1)), tmp_path)
    parameters = dict(learning.network.named_parameters())
    trainable = {name: p for name, p in parameters.items() if p.requires_grad}
    fixed = {name: p for name, p in parameters.items() if not p.requires_grad}
    assert fixed
    for parameter in fixed.values():
        parameter.data.fill_(7)  # as given weights are put into a network that is there already

    learning.network.train()
    images = torch.randint(0, 255, (2, 3, 64, 64), dtype=torch.uint8)
    batch = batches.Batch(images, torch.tensor([[0, 0, 32, 32, 20, 20], [1, 1, 30, 30, 24, 24.0]]), [0, 1])
    for _ in range(2):
        assert learning.run(batches.plan_step([0, 1], 2), iter([batch]), 1e-3).bad is None

    moments = learning.optimizer.state_dict()["state"].values()
    assert sum(of_group["exp_avg"].numel() for of_group in moments) == sum(map(room, trainable.values()))
    ema_state = learning.named(learning.ema_state())
    assert ema_state.keys() == learning.network.state_dict().keys()
    assert all((ema_state[name] == 7).all() for name in fixed)
    assert not all(torch.equal(ema_state[name], parameter) for name, parameter in trainable.items())


def test_a_batch_is_pinned_by_torchs_loader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what is neither tensor nor collection, torch pins only what can do it itself, and tells nobody."""
    batches = imported("tasks.training.worker.data.loaders", tmp_path)
    monkeypatch.setattr(Tensor, "pin_memory", lambda tensor, device=None: tensor + 1)  # pinning needs a GPU
    batch = batches.Batch(torch.zeros(1, 3, 2, 2, dtype=torch.uint8), torch.zeros(2, 6), [5])
    pinned = pin_memory(batch)
    assert (pinned.images == 1).all()
    assert (pinned.targets == 1).all()
    assert pinned.indices == [5]


def mixed_precision(half: torch.dtype, folder: Path) -> tuple[nn.Module, Any]:
    build_network = imported("tasks.training.worker.model.network", folder).build_network
    flat_state, mixed = (
        imported(f"tasks.training.worker.model.{name}", folder) for name in ("flat_state", "mixed_precision")
    )
    network = build_network("s", 2).train()
    return network, mixed.MixedPrecisionParameters(network, flat_state.FlatState(network), half)


def test_in_half_precision_no_image_is_kept_in_fp32_for_its_gradient(tmp_path: Path) -> None:
    network, parameters = mixed_precision(torch.bfloat16, tmp_path)
    kept: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), torch.autocast("cpu", torch.bfloat16):
        parameters.predict(torch.rand(2, 3, 64, 64))
    images = [tensor for tensor in kept if tensor.dim() == 4 and tensor.shape[0] == 2 and tensor.is_floating_point()]
    assert len(images) > 100
    assert {image.dtype for image in images} == {torch.bfloat16}
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
