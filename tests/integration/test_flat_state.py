"""Flat parameters: the network's own are views of one tensor, and passes compute the same numbers."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from tests.fakes.libraries import imported


def small_network() -> nn.Sequential:
    """Convolutions with and without bias, a batch norm, another kind of weight, and parameters that are frozen."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.PReLU(), nn.Conv2d(8, 8, 1),
        nn.ConvTranspose2d(8, 4, 2, 2), nn.Conv2d(4, 4, 1).requires_grad_(False),
    )  # fmt: skip
    return network.to(memory_format=torch.channels_last)


@pytest.fixture
def flat_state(tmp_path: Path) -> ModuleType:
    """The module of the flat parameters."""
    return imported("tasks.training.worker.model.flat_state", tmp_path)


@pytest.fixture
def mixed_precision(tmp_path: Path) -> ModuleType:
    """The module of the rounded parameters."""
    return imported("tasks.training.worker.model.mixed_precision", tmp_path)


def test_parameters_keep_their_values_and_their_memory_layout(flat_state: ModuleType) -> None:
    network, unchanged = small_network(), small_network()
    state = flat_state.FlatState(network)
    for (name, value), (_, expected) in zip(network.state_dict().items(), unchanged.state_dict().items(), strict=True):
        assert value.equal(expected), name
        assert value.stride() == expected.stride(), name
    sizes = [3 * 8 * 9, 8, 8, 1, 8 * 8, 8, 8 * 4 * 4, 4, 8, 8]
    assert state.numbers.numel() == sum(-(-size // flat_state.ALIGNMENT) for size in sizes) * flat_state.ALIGNMENT
    assert state.counters[0] == 0


@pytest.mark.parametrize("half", [None, torch.bfloat16, torch.float16])
def test_every_tensor_begins_where_a_gpu_can_read_it(
    flat_state: ModuleType, mixed_precision: ModuleType, half: torch.dtype | None
) -> None:
    """cuDNN's kernels take pieces of 16 bytes; torch's own tensors begin at multiples of 64 bytes, or of more."""
    network = small_network()
    state = flat_state.FlatState(network)
    parameters = mixed_precision.MixedPrecisionParameters(network, state, half)
    used: dict[str, Tensor] = dict(network.named_parameters())

    def remember(module: nn.Module, _: object) -> None:
        used.update({f"{names[module]}.{name}": value for name, value in module.named_parameters(recurse=False)})

    names = {module: name for name, module in network.named_modules()}
    for module in names:
        module.register_forward_pre_hook(remember)
    with torch.autocast("cpu", half or torch.bfloat16, enabled=half is not None):
        parameters.predict(torch.rand(1, 3, 4, 4))
    assert used["3.weight"].dtype == (half or torch.float32)
    for name, value in used.items():
        assert value.data_ptr() % 64 == 0 or not value.requires_grad, name


def test_gaps_stay_zero_through_steps(flat_state: ModuleType, mixed_precision: ModuleType) -> None:
    network = small_network()
    state = flat_state.FlatState(network)
    parameters = mixed_precision.MixedPrecisionParameters(network, state, torch.bfloat16)
    flat = nn.Parameter(state.trainable)
    flat.grad = parameters.gradient
    optimizer = torch.optim.AdamW([flat], 0.1, weight_decay=0.1, fused=True)
    for _ in passes(parameters.predict, torch.bfloat16, 3):
        parameters.collect(first=True)
        optimizer.step()
        parameters.refresh()
    gaps = torch.ones_like(state.trainable)
    for view in state.trainable_views(gaps).values():
        view.zero_()
    assert gaps.any()
    assert not (state.trainable * gaps).any()


def test_flat_and_own_parameters_share_their_memory(flat_state: ModuleType) -> None:
    network = small_network()
    state = flat_state.FlatState(network)
    state.decayed.fill_(1)
    state.undecayed.fill_(2)
    state.statistics.fill_(3)
    state.counters.fill_(4)
    values = {name: set(value.flatten().tolist()) for name, value in network.state_dict().items()}
    assert {name for name, value in values.items() if value == {1}} == {"0.weight", "2.weight", "3.weight", "4.weight"}
    assert {name for name, value in values.items() if value == {2}} == {"1.weight", "1.bias", "3.bias", "4.bias"}
    assert {name for name, value in values.items() if value == {3}} == {"1.running_mean", "1.running_var"}
    assert values["1.num_batches_tracked"] == {4}
    network.load_state_dict({name: torch.ones_like(value) for name, value in network.state_dict().items()})
    assert all((value == 1).all() for value in state.named(state.state()).values())
    network.train()(torch.rand(1, 3, 4, 4))
    assert (state.statistics != 1).all()
    assert state.counters[0] == 2


def test_a_state_is_loaded_into_another_network_by_name(flat_state: ModuleType) -> None:
    source, target = small_network(), small_network()
    for parameter in source.parameters():
        parameter.data.add_(1)
    state = {name: value.clone() for name, value in flat_state.FlatState(source).state().items()}
    flat = flat_state.FlatState(target)
    flat.load(state)
    for name, value in flat.named(state).items():
        trainable = not name.startswith("5.")
        assert value.equal((source if trainable else target).state_dict()[name]), name
    assert flat.named(state).keys() == target.state_dict().keys()
    assert all(target.state_dict()[name].equal(value) for name, value in flat.named(state).items())


def test_networks_with_another_order_of_tensors_have_another_layout(flat_state: ModuleType) -> None:
    layout = flat_state.FlatState(small_network()).layout
    assert flat_state.FlatState(small_network()).layout == layout
    assert flat_state.FlatState(small_network().to(memory_format=torch.contiguous_format)).layout != layout
    assert flat_state.FlatState(nn.Sequential(*reversed(list(small_network())))).layout != layout


def passes(predict: Callable[[Tensor], Tensor], half: torch.dtype | None, count: int) -> Iterator[Tensor]:
    """Yield the outputs of forward passes on different images, each after its backward pass."""
    for seed in range(count):
        images = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
        with torch.autocast("cpu", half or torch.bfloat16, enabled=half is not None):
            outputs = predict(images)
        outputs.float().square().sum().backward()
        yield outputs


@pytest.mark.parametrize("half", [None, torch.bfloat16])
@pytest.mark.parametrize("count", [1, 3])
def test_outputs_and_gradients_are_those_of_autocast_to_the_bit(
    flat_state: ModuleType, mixed_precision: ModuleType, half: torch.dtype | None, count: int
) -> None:
    reference, network = small_network().train(), small_network().train()
    state = flat_state.FlatState(network)
    parameters = mixed_precision.MixedPrecisionParameters(network, state, half)
    state.trainable.mul_(0.5)  # instead of an optimizer step
    parameters.refresh()
    for parameter in reference.parameters():
        if parameter.requires_grad:
            parameter.data.mul_(0.5)
    expected = list(passes(reference, half, count))
    for number, output in enumerate(passes(parameters.predict, half, count)):
        assert output.equal(expected[number])
        parameters.collect(first=number == 0)
    gradients = state.trainable_views(parameters.gradient)
    trainable = {name: parameter for name, parameter in reference.named_parameters() if parameter.requires_grad}
    assert gradients.keys() == trainable.keys()
    for name, parameter in trainable.items():
        assert parameter.grad is not None
        assert parameter.grad.any(), name
        assert gradients[name].equal(parameter.grad), name
    assert all(parameter.grad is None for parameter in network.parameters())


def test_parameters_without_a_gradient_keep_none_of_the_step_before(
    flat_state: ModuleType, mixed_precision: ModuleType
) -> None:
    network = small_network()
    state = flat_state.FlatState(network)
    parameters = mixed_precision.MixedPrecisionParameters(network, state, None)
    for part in (network, network[:3]):
        part(torch.rand(1, 3, 4, 4)).sum().backward()
        parameters.collect(first=True)
    gradients = state.trainable_views(parameters.gradient)
    assert gradients["0.weight"].any()
    assert not gradients["4.weight"].any()
