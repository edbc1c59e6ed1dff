"""The parameters that forward and backward passes use, in half precision where convolutions compute in it."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from tasks.training.worker.model.batch_norms import BatchNorm
from tasks.training.worker.model.flat_state import FlatState


class MixedPrecisionParameters:
    """A network's trainable parameters in the precision of its convolutions, with their gradients in one fp32 tensor.

    In half precision all parameters but those of batch norms are rounded: those of convolutions, as with autocast, and
    the gains of shortcuts. An fp32 gain would make the sum of a shortcut fp32. It would be kept for the gradient of the
    gain, and once more, rounded, for that of the next convolution. All parameters are rounded in one pass over one
    tensor, instead of one by one within autograd.

    Args:
        network: The network.
        flat: Its flat parameters.
        half: Number format of its convolutions; None for fp32.
    """

    def __init__(self, network: nn.Module, flat: FlatState, half: torch.dtype | None) -> None:
        self._network, self._flat = network, flat
        self._half = None if half is None else flat.trainable.to(half)
        of_batch_norms = {
            f"{name}.{parameter}"
            for name, part in network.named_modules()
            if isinstance(part, BatchNorm)
            for parameter in ("weight", "bias")
        }
        rounded = {} if self._half is None else flat.trainable_views(self._half)
        self._rounded: dict[str, Tensor] = {
            name: nn.Parameter(view) for name, view in rounded.items() if name not in of_batch_norms
        }
        self.gradient = torch.zeros_like(flat.trainable)
        """``[P]`` fp32, in the order of ``flat.trainable``."""
        parameters = dict(network.named_parameters()) | self._rounded
        self._gradients = [(parameters[name], view) for name, view in flat.trainable_views(self.gradient).items()]

    @torch.no_grad()
    def refresh(self) -> None:
        """Round the parameters anew after an optimizer step."""
        if self._half is not None:
            self._half.copy_(self._flat.trainable)

    def predict(self, images: Tensor) -> Any:
        """Run the network on ``[B, 3, S, S]``; a backward pass leaves gradients for ``collect``."""
        # The network ties no weights, and looking for tied ones takes 3 ms.
        return functional_call(self._network, self._rounded, (images,), tie_weights=False)

    @torch.no_grad()
    def collect(self, *, first: bool) -> None:
        """Take the gradients of a backward pass.

        Args:
            first: Whether it is the first pass of a step; the gradients of later ones are added.
        """
        if first and any(parameter.grad is None for parameter, _ in self._gradients):
            self.gradient.zero_()
        for parameter, view in self._gradients:
            if parameter.grad is None:
                continue
            if first:
                view.copy_(parameter.grad)
            else:
                view.add_(parameter.grad)
            parameter.grad = None
