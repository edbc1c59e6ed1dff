"""The weights that forward and backward passes see, and the gradients that become of them."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from tasks.training.worker.model.flat_state import FlatState


class MixedPrecisionParameters:
    """A network's learnt weights as the leaves of its graph, and their gradients in one tensor.

    With half precision a convolution sees its weights and bias rounded to it. Autocast does the same, and makes fp32 of
    each gradient again, but one by one, with autograd in between; here it is a few passes over all of them.

    Args:
        network: Whose weights these are.
        flat: Its state.
        half: The number format of its convolutions; None for the weights' own.
    """

    def __init__(self, network: nn.Module, flat: FlatState, half: torch.dtype | None) -> None:
        self._network, self._flat = network, flat
        self._half = None if half is None else flat.trainable.to(half)
        weights = {
            f"{name}.{own}"
            for name, part in network.named_modules()
            if isinstance(part, nn.Conv2d | nn.ConvTranspose2d)
            for own in ("weight", "bias")
        }
        rounded = {} if self._half is None else flat.trainable_views(self._half)
        self._rounded: dict[str, Tensor] = {
            name: nn.Parameter(view) for name, view in rounded.items() if name in weights
        }
        self.gradient = torch.zeros_like(flat.trainable)
        """``[L]``, in the order of ``flat.learnt``."""
        leaves = dict(network.named_parameters()) | self._rounded
        self._places = [(leaves[name], place) for name, place in flat.trainable_views(self.gradient).items()]

    @torch.no_grad()
    def refresh(self) -> None:
        """Take over what a step has made of the weights."""
        if self._half is not None:
            self._half.copy_(self._flat.trainable)

    def predict(self, images: Tensor) -> Any:
        """The network's outputs for ``[B, 3, S, S]``, with gradients for ``collect``."""
        # No weights are tied, and looking for some takes 3 ms.
        return functional_call(self._network, self._rounded, (images,), tie_weights=False)

    @torch.no_grad()
    def collect(self, *, first: bool) -> None:
        """Make the gradients of a backward pass those of the step, or add them to it where it is not its ``first``."""
        there = [(place, leaf.grad) for leaf, place in self._places if leaf.grad is not None]
        if first and len(there) < len(self._places):
            self.gradient.zero_()
        places, gradients = zip(*there, strict=True)
        (torch._foreach_copy_ if first else torch._foreach_add_)(places, gradients)
        for leaf, _ in self._places:
            leaf.grad = None
