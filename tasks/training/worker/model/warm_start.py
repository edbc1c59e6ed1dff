"""Starting from given weights: which tensors of a file go into a network; class heads go by the names of their rows."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from tasks.errors import BadWeights
from tasks.training.worker.model.loaded_weights import CLASS_HEAD, LoadedWeights
from tasks.training.worker.model.weights import WeightsFile, read_weights


def load_matching(network: nn.Module, path: Path, classes: Sequence[str]) -> LoadedWeights:
    """Load what fits by name and shape; the rows of class heads go by the names of their classes.

    If a file does not name its classes, its class heads are taken as they are, and only if they have as many rows.

    Args:
        network: Gets the weights. What the file does not have stays as it is.
        path: The weights file.
        classes: The network's classes, in the order of its rows.

    Returns:
        What was loaded, and what was not.

    Raises:
        BadWeights: The file is unreadable, not finite, or of another network. The network is unchanged.
    """
    state, file = network.state_dict(), read_weights(path)
    refuse_other_network(path, state, file)
    matching = {
        name: value for name, value in file.tensors.items() if name in state and state[name].shape == value.shape
    }
    complete = set(matching)
    new = tuple(name for name in classes if name not in file.classes) if file.classes is not None else ()
    if file.classes is not None:
        heads = class_heads_by_name(path, state, classes, file.tensors, file.classes)
        matching |= heads
        complete = (complete - heads.keys()) if new else (complete | heads.keys())
    refuse_not_finite(path, {name: value.to(state[name].dtype) for name, value in matching.items()})
    network.load_state_dict(matching, strict=False)
    file_classes = file.classes or ()
    return LoadedWeights(
        matched=len(complete),
        total=len(state),
        left_out=tuple(sorted(state.keys() - complete)),
        named=file.classes is not None,
        kept=tuple(name for name in classes if name in file_classes),
        new=new,
        gone=tuple(name for name in file_classes if name not in classes),
        licence=file.licence,
    )


def refuse_other_network(path: Path, state: Mapping[str, Tensor], file: WeightsFile) -> None:
    """Refuse weights of another variant, or of no YOLO-NAS at all.

    More than half of m fits into l, so one tensor of another shape is enough; class heads may have other rows.

    Args:
        path: The weights file, for messages.
        state: The network's tensors.
        file: What the weights file holds.

    Raises:
        BadWeights: With the number of tensors that fit.
    """
    common = file.tensors.keys() & state.keys()
    fitting = [name for name in common if shape_but_classes(name, state) == shape_but_classes(name, file.tensors)]
    if len(fitting) < len(common) or len(fitting) < len(state) // 2:
        says = f" (the file says {file.variant})" if file.variant else ""
        raise BadWeights(
            f"weights {path}: {len(fitting)} of {len(state)} tensors fit; they belong to another network, "
            f"check the variant{says}"
        )


def shape_but_classes(name: str, tensors: Mapping[str, Tensor]) -> torch.Size:
    """Give the shape of a tensor, without its rows if it has one per class."""
    shape = tensors[name].shape
    return shape[1:] if CLASS_HEAD in name else shape


def class_heads_by_name(
    path: Path,
    state: Mapping[str, Tensor],
    classes: Sequence[str],
    file_tensors: Mapping[str, Tensor],
    file_classes: Sequence[str],
) -> dict[str, Tensor]:
    """Make class heads with the file's row for each class that both have; the other rows are the network's.

    Args:
        path: The weights file, for messages.
        state: The network's tensors; its class heads have one row for each of ``classes``.
        classes: The network's classes.
        file_tensors: The file's tensors; its class heads have one row for each of ``file_classes``.
        file_classes: The file's classes.

    Returns:
        The class heads by name.

    Raises:
        BadWeights: The file does not have a row for each class it names.
    """
    row_of = {name: row for row, name in enumerate(file_classes)}
    rows = [row for row, name in enumerate(classes) if name in row_of]
    file_rows = [row_of[classes[row]] for row in rows]
    heads = {}
    for name in state:
        if CLASS_HEAD not in name:
            continue
        row_count = len(file_tensors[name]) if name in file_tensors else 0
        if row_count != len(file_classes):
            raise BadWeights(
                f"weights {path}: names {len(file_classes)} classes, but {name} has {row_count} rows; "
                "take weights nasflow wrote"
            )
        heads[name] = state[name].detach().clone()
        heads[name][rows] = file_tensors[name][file_rows].to(heads[name])
    return heads


def refuse_not_finite(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Refuse weights that would make the loss not finite.

    Raises:
        BadWeights: With the name of the first tensor that has a NaN or an infinite value.
    """
    if bad := [name for name, value in tensors.items() if not torch.isfinite(value).all()]:
        raise BadWeights(f"weights {path}: {bad[0]} holds values that are no finite numbers; take other weights")
