"""Copying a training state in memory, so that a thread can write it while training goes on."""

import copy
from typing import Any

import torch
from torch import Tensor

State = dict[str, Any]


@torch.no_grad()
def copy_state(state: State, previous: State) -> State:
    """Copy a state to the CPU.

    Args:
        state: Nested dictionaries and lists of tensors and plain values.
        previous: An earlier copy, whose tensors are overwritten where they fit, since new memory takes time.

    Returns:
        The copy.
    """
    copied: State = _copied(state, previous)
    return copied


def _copied(value: Any, previous: Any) -> Any:
    if isinstance(value, Tensor):
        fits = isinstance(previous, Tensor) and (previous.shape, previous.stride()) == (value.shape, value.stride())
        target = previous if fits and previous.dtype == value.dtype else torch.empty_like(value, device="cpu")
        return target.copy_(value)
    if isinstance(value, dict):
        before = previous if isinstance(previous, dict) else {}
        return {name: _copied(part, before.get(name)) for name, part in value.items()}
    if isinstance(value, list):
        earlier = previous if isinstance(previous, list) and len(previous) == len(value) else [None] * len(value)
        return [_copied(part, old) for part, old in zip(value, earlier, strict=True)]
    return copy.deepcopy(value)
