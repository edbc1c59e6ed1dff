"""All that steps change of a network in one tensor, so that optimizer, EMA and copies pass over memory once.

YOLO-NAS has a thousand tensors, most of them small. Going from each to the next took as long as the arithmetic, and
AdamW's fused kernel copies every channels-last weight before and after.
"""

import hashlib
import math
from collections.abc import Hashable, Iterable, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from tasks.training.worker.model.batch_norms import batch_norms

Name = TypeVar("Name", bound=Hashable)

ALIGNMENT = 64
"""Each tensor begins at a multiple of so many elements; the gaps are 0.

Some kernels of a GPU read in pieces of 16 bytes, and fail where a tensor begins between two of them. 64 elements are
128 bytes in half precision.
"""


class FlatState:
    """A network's trainable parameters, its batch norms' running statistics, and their counters.

    The network's own tensors become views of the flat ones. Parameters that need no gradient are never changed by a
    step, and stay outside.

    Args:
        network: The network.
    """

    def __init__(self, network: nn.Module) -> None:
        tensors = network.state_dict(keep_vars=True)
        buffers = {name: value for name, value in tensors.items() if not isinstance(value, nn.Parameter)}
        decayed, undecayed = trainable_names(network)
        statistics = [name for name, value in buffers.items() if value.is_floating_point()]
        self._trainable = {name: tensors[name] for name in (*decayed, *undecayed)}
        self._numbers = self._trainable | {name: buffers[name] for name in statistics}
        self._counters = {name: value for name, value in buffers.items() if name not in self._numbers}
        self._fixed = {name: tensors[name] for name in tensors if name not in self._trainable and name not in buffers}
        self.numbers = flattened(self._numbers.values())
        """``[N]``: parameters with weight decay, parameters without, running statistics; with gaps."""
        self.counters = flattened(self._counters.values())
        """``[K]`` int64: how many batches each batch norm has seen; with gaps."""
        parts = [sum(room(tensors[name]) for name in names) for names in (decayed, undecayed, statistics)]
        self.decayed, self.undecayed, self.statistics = torch.split(self.numbers, parts)
        self.trainable = self.numbers[: parts[0] + parts[1]]

    def state(self) -> dict[str, Tensor]:
        """Give all of it; no copy."""
        return {"numbers": self.numbers, "counters": self.counters}

    @torch.no_grad()
    def load(self, state: Mapping[str, Tensor]) -> None:
        """Copy the ``state`` of a network with the same ``layout``."""
        self.numbers.copy_(state["numbers"])
        self.counters.copy_(state["counters"])

    def trainable_views(self, flat: Tensor) -> dict[str, Tensor]:
        """Give views of a tensor shaped like ``trainable``, or like its beginning, by parameter name."""
        return views(flat, self._trainable)

    def named(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Give a ``state`` as the network's own state_dict: views, and the parameters that no step changes."""
        changed = views(state["numbers"], self._numbers) | views(state["counters"], self._counters)
        return changed | {name: value.detach() for name, value in self._fixed.items()}

    @property
    def layout(self) -> str:
        """SHA-256 of the places of the tensors: the same for networks that can load each other's states."""
        places = [(name, tuple(value.shape), value.stride()) for name, value in self._numbers.items()]
        return hashlib.sha256(repr((ALIGNMENT, places, list(self._counters))).encode()).hexdigest()


def room(tensor: Tensor) -> int:
    """Elements that a tensor takes of a flat one, with the gap after it."""
    return math.ceil(tensor.numel() / ALIGNMENT) * ALIGNMENT


@torch.no_grad()
def flattened(tensors: Iterable[Tensor]) -> Tensor:
    """Copy tensors of one dtype into a flat one, and make them views of it, each in its own memory layout."""
    parts = dict(enumerate(tensors))
    flat = torch.zeros(sum(map(room, parts.values())), dtype=parts[0].dtype, device=parts[0].device)
    for number, view in views(flat, parts).items():
        parts[number].data = view.copy_(parts[number])
    return flat


def views(flat: Tensor, like: Mapping[Name, Tensor]) -> dict[Name, Tensor]:
    """Divide ``flat`` into views with the shapes and strides of ``like``, in their order, until ``flat`` ends."""
    start = flat.storage_offset()
    end = start + flat.numel()
    pieces: dict[Name, Tensor] = {}
    for name, tensor in like.items():
        if start == end:
            break
        pieces[name] = flat.as_strided(tensor.shape, tensor.stride(), start)
        start += room(tensor)
    return pieces


def trainable_names(network: nn.Module) -> tuple[list[str], list[str]]:
    """Name the parameters with weight decay, and those without: biases and batch norms, as in super-gradients.

    The gains of shortcuts have weight decay.
    """
    of_norms = {id(parameter) for norm in batch_norms(network) for parameter in norm.parameters()}
    decayed: list[str] = []
    undecayed: list[str] = []
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            (undecayed if name.endswith("bias") or id(parameter) in of_norms else decayed).append(name)
    return decayed, undecayed
