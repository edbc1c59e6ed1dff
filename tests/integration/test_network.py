"""The network as it is built for training: frozen parts, and the guard of channels-last gradients on CPUs."""

from pathlib import Path

import pytest
import torch
from torch import nn

from tests.fakes.libraries import imported


def test_parts_that_training_never_uses_are_frozen_and_zero(tmp_path: Path) -> None:
    network = imported("tasks.training.worker.model.network", tmp_path).build_network("s", 2)
    frozen = {name: parameter for name, parameter in network.named_parameters() if not parameter.requires_grad}
    assert {name.split(".")[-2] for name in frozen} == {"rbr_reparam"}
    assert not any(parameter.any() for parameter in frozen.values())


def test_the_guard_keeps_parameters_their_order_and_the_random_state(tmp_path: Path) -> None:
    convolutions = imported("tasks.training.worker.model.convolutions", tmp_path)
    network = imported("tasks.training.worker.model.network", tmp_path).build_network("s", 2)
    before, random_state = dict(network.named_parameters()), torch.get_rng_state()
    assert convolutions.guard_channels_last(network) == 5
    assert torch.equal(torch.get_rng_state(), random_state)
    after = dict(network.named_parameters())
    assert list(after) == list(before)
    assert all(after[name] is parameter for name, parameter in before.items())
    assert convolutions.guard_channels_last(network) == 0, "nothing is left to replace"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_guarded_convolution_and_its_gradients_are_those_of_slicing(tmp_path: Path, dtype: torch.dtype) -> None:
    convolutions = imported("tasks.training.worker.model.convolutions", tmp_path)
    part = nn.Sequential(nn.Conv2d(4, 6, 1, stride=2)).to(dtype).to(memory_format=torch.channels_last)
    assert convolutions.guard_channels_last(part) == 1
    convolution = part[0]
    assert isinstance(convolution, nn.Conv2d)
    images = torch.rand(2, 4, 7, 8).to(dtype, memory_format=torch.channels_last)
    guarded, sliced = (images.clone(memory_format=torch.preserve_format).requires_grad_() for _ in range(2))
    expected = nn.functional.conv2d(sliced[:, :, ::2, ::2], convolution.weight, convolution.bias)
    output = part(guarded)
    assert output.equal(expected)
    assert output.shape == (2, 6, 4, 4)
    weight = torch.rand_like(output)
    gradients = [
        torch.autograd.grad(result, (pixels, convolution.weight), weight)
        for result, pixels in ((output, guarded), (expected, sliced))
    ]
    assert all(ours.equal(theirs) for ours, theirs in zip(*gradients, strict=True))
    assert gradients[0][0].is_contiguous(memory_format=torch.channels_last), "or all that comes to it takes longer"


def test_the_guard_refuses_a_convolution_that_it_does_not_know(tmp_path: Path) -> None:
    convolutions = imported("tasks.training.worker.model.convolutions", tmp_path)
    with pytest.raises(AssertionError, match="does not know"):
        convolutions.guard_channels_last(nn.Sequential(nn.Conv2d(4, 4, 1, stride=2, groups=2)))
