"""Weights in one tensor: the network's own are views of it, and steps get the same numbers as weight by weight."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from tests.fakes.libraries import imported


def small() -> nn.Module:
    """Convolutions with and without bias, a norm, a gain of neither, and a parameter that is never learnt."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.PReLU(), nn.Conv2d(8, 8, 1),
        nn.ConvTranspose2d(8, 4, 2, 2), nn.Conv2d(4, 4, 1).requires_grad_(False),
    )  # fmt: skip
    return network.to(memory_format=torch.channels_last)


@pytest.fixture
def flat(tmp_path: Path) -> ModuleType:
    return imported("tasks.training.worker.model.flat_state", tmp_path)


@pytest.fixture
def leaves(tmp_path: Path) -> ModuleType:
    return imported("tasks.training.worker.model.mixed_precision", tmp_path)


def test_a_network_keeps_its_values_and_its_layout(flat: ModuleType) -> None:
    network, untouched = small(), small()
    state = flat.FlatState(network)
    for (name, value), (_, expected) in zip(network.state_dict().items(), untouched.state_dict().items(), strict=True):
        assert value.equal(expected), name
        assert value.stride() == expected.stride(), name
    assert state.numbers.numel() == 3 * 8 * 9 + 2 * 8 + 1 + 8 * 8 + 8 + 8 * 4 * 4 + 4 + 2 * 8
    assert state.counters.tolist() == [0]


def test_what_changes_the_one_changes_the_other(flat: ModuleType) -> None:
    network = small()
    state = flat.FlatState(network)
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
    assert (state.numbers == 1).all()
    network.train()(torch.rand(1, 3, 4, 4))
    assert (state.statistics != 1).all()
    assert state.counters.tolist() == [2]


def test_a_state_goes_by_names_and_into_another_network(flat: ModuleType) -> None:
    one, other = small(), small()
    for parameter in one.parameters():
        parameter.data.add_(1)
    state = {name: value.clone() for name, value in flat.FlatState(one).state().items()}
    into = flat.FlatState(other)
    into.load(state)
    for name, value in into.named(state).items():
        trainable = not name.startswith("5.")
        assert value.equal((one if trainable else other).state_dict()[name]), name
    assert into.named(state).keys() == other.state_dict().keys()
    assert all(other.state_dict()[name].equal(value) for name, value in into.named(state).items())


def test_networks_in_another_order_are_told_apart(flat: ModuleType) -> None:
    layout = flat.FlatState(small()).layout
    assert flat.FlatState(small()).layout == layout
    assert flat.FlatState(small().to(memory_format=torch.contiguous_format)).layout != layout
    assert flat.FlatState(nn.Sequential(*reversed(list(small())))).layout != layout  # type: ignore[call-overload]


def passes(predict: Callable[[Tensor], Tensor], half: torch.dtype | None, count: int) -> Iterator[Tensor]:
    """The outputs of forward passes on different images, each after its backward pass."""
    for seed in range(count):
        images = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
        with torch.autocast("cpu", half or torch.bfloat16, enabled=half is not None):
            outputs = predict(images)
        outputs.float().square().sum().backward()
        yield outputs


@pytest.mark.parametrize("half", [None, torch.bfloat16])
@pytest.mark.parametrize("count", [1, 3])
def test_outputs_and_gradients_are_those_of_autocast_to_the_bit(
    flat: ModuleType, leaves: ModuleType, half: torch.dtype | None, count: int
) -> None:
    plain, network = small().train(), small().train()
    state = flat.FlatState(network)
    made = leaves.MixedPrecisionParameters(network, state, half)
    state.trainable.mul_(0.5)  # a step
    made.refresh()
    for parameter in plain.parameters():
        if parameter.requires_grad:
            parameter.data.mul_(0.5)
    expected = list(passes(plain, half, count))
    for number, output in enumerate(passes(made.predict, half, count)):
        assert output.equal(expected[number])
        made.collect(first=number == 0)
    gradients = state.trainable_views(made.gradient)
    for name, parameter in plain.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None
            assert parameter.grad.any(), name
            assert gradients[name].equal(parameter.grad), name
    assert all(parameter.grad is None for parameter in network.parameters())


def test_weights_without_a_gradient_have_none_of_the_step_before(flat: ModuleType, leaves: ModuleType) -> None:
    network = small()
    state = flat.FlatState(network)
    made = leaves.MixedPrecisionParameters(network, state, None)
    for part in (network, network[:3]):  # type: ignore[index]
        part(torch.rand(1, 3, 4, 4)).sum().backward()
        made.collect(first=True)
    gradients = state.trainable_views(made.gradient)
    assert gradients["0.weight"].any()
    assert not gradients["4.weight"].any()
