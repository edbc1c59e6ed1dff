"""The network as we build it computes what super-gradients' own does, to the bit."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.fakes.libraries import imported


def outcome(network: nn.Module, dtype: torch.dtype) -> tuple[list[Tensor], dict[str, Tensor]]:
    """Raw outputs for some images, and the gradients of their sum of squares."""
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    images = images.contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        outputs = list(tensors_in(network.train()(images)))
    sum(output.float().square().mean() for output in outputs if output.requires_grad).backward()
    gradients = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    return outputs, gradients


def tensors_in(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for part in value:
            yield from tensors_in(part)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_lean_blocks_compute_the_same(tmp_path: Path, dtype: torch.dtype) -> None:
    network = imported("tasks.training.worker.model.network", tmp_path)
    torch.manual_seed(0)
    lean = network.build_network("s", 2)
    plain = copy.deepcopy(lean)
    blocks = [part for part in plain.modules() if type(part) is network.LeanBlock]
    for part in blocks:
        part.__class__ = network.QARepVGGBlock
    assert len(blocks) == sum(isinstance(part, network.QARepVGGBlock) for part in lean.modules())
    ours, theirs = (outcome(one.to(memory_format=torch.channels_last), dtype) for one in (lean, plain))
    assert all(one.equal(other) for one, other in zip(ours[0], theirs[0], strict=True))
    assert ours[1].keys() == theirs[1].keys()
    assert all(gradient.equal(theirs[1][name]) for name, gradient in ours[1].items())


@pytest.mark.parametrize("gain", [1.0, 0.7])
def test_a_lean_shortcut_computes_the_same_and_keeps_half_precision_as_it_is(tmp_path: Path, gain: float) -> None:
    network = imported("tasks.training.worker.model.network", tmp_path)
    lean = next(part for part in network.build_network("s", 2).modules() if type(part) is network.LeanBottleneck)
    assert lean.add
    lean.alpha.data.fill_(gain)
    plain = copy.deepcopy(lean)
    plain.__class__ = network.YoloNASBottleneck
    inputs = torch.rand(2, lean.cv1.branch_3x3.conv.in_channels, 8, 8, generator=torch.Generator().manual_seed(1))
    ours, theirs = (outcome_of(part, inputs) for part in (lean, plain))
    assert all(one.equal(other) for one, other in zip(ours, theirs, strict=True))
    ours, theirs = (outcome_of(part, inputs.bfloat16()) for part in (lean, plain))
    assert (ours[0].dtype, theirs[0].dtype) == (torch.bfloat16, torch.float32)
    if gain == 1:  # the product is exact, and so only the sum is rounded
        assert ours[0].equal(theirs[0].bfloat16())
    for one, other in zip(ours, theirs, strict=True):
        assert (one.float() - other).norm() < 0.01 * other.norm()


def outcome_of(part: nn.Module, inputs: Tensor) -> list[Tensor]:
    """Its output for inputs in their precision, and the gradients of the output's mean square: of them and its gain."""
    part.zero_grad()
    inputs = inputs.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=inputs.dtype == torch.bfloat16):
        output = part.train()(inputs)
    output.float().square().mean().backward()
    assert part.alpha.grad.dtype == torch.float32
    return [output.detach(), inputs.grad, part.alpha.grad.clone()]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_strided_convolution_and_its_gradients_are_those_of_slicing(tmp_path: Path, dtype: torch.dtype) -> None:
    convolutions = imported("tasks.training.worker.model.convolutions", tmp_path)
    part = nn.Sequential(nn.Conv2d(4, 6, 1, stride=2)).to(dtype, memory_format=torch.channels_last)
    assert convolutions.subsample_first(part) == 1
    images = torch.rand(2, 4, 7, 8).to(dtype, memory_format=torch.channels_last)
    one, other = (images.clone(memory_format=torch.preserve_format).requires_grad_() for _ in range(2))
    sliced = nn.functional.conv2d(other[:, :, ::2, ::2], part[0].weight, part[0].bias)
    taken = part(one)
    assert taken.equal(sliced)
    assert taken.shape == (2, 6, 4, 4)
    weight = torch.rand_like(taken)
    gradients = [torch.autograd.grad(output, (pixels, part[0].weight), weight)
                 for output, pixels in ((taken, one), (sliced, other))]  # fmt: skip
    assert all(ours.equal(theirs) for ours, theirs in zip(*gradients, strict=True))
    assert gradients[0][0].is_contiguous(memory_format=torch.channels_last), "or all that comes to it takes longer"
