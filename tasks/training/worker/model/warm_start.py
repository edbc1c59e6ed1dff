"""Starting from given weights: what of a file goes into a network, class heads by the names of their rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from tasks.errors import BadWeights
from tasks.records import StartWeights
from tasks.training.worker.model.weights import WeightsFile, read_weights

CLASS_HEAD = ".cls_pred."
"""Part of the names of the tensors that hold one row a class."""
MAX_NAMES = 6
"""How many names a message gives before it only counts."""


@dataclass(frozen=True)
class LoadedWeights:
    """What a network took from a weights file."""

    matched: int
    """Tensors of the network whose every value is the file's."""
    total: int
    """Tensors of the network."""
    left_out: tuple[str, ...]
    """The other ones: random as before, class heads perhaps only in the rows of new classes."""
    named: bool
    """Whether the file names its classes. If not, the next three are empty."""
    kept: tuple[str, ...]
    """Classes whose rows are the file's."""
    new: tuple[str, ...]
    """Classes the file does not know; their rows are random as before."""
    gone: tuple[str, ...]
    """Classes that only the file knows."""
    licence: str | None
    """As the file's metadata says; None if they do not."""

    def sentence(self) -> str:
        """What was kept, in numbers and names, for people."""
        others = [name for name in self.left_out if CLASS_HEAD not in name]
        random = f"; not in the file, random instead: {listed(others)}" if others else ""
        return f"{self.matched} of {self.total} tensors kept; {self._class_rows()}{random}"

    def _class_rows(self) -> str:
        if not self.named:
            random = any(CLASS_HEAD in name for name in self.left_out)
            heads = "random, the file has none for as many classes" if random else "kept in their order"
            return f"class names unknown; heads {heads}"
        names = f" ({listed(self.kept)})" if self.kept else ""
        return (
            f"class rows: {len(self.kept)} of {len(self.kept) + len(self.new)} by name{names}"
            + (f", new: {listed(self.new)}" if self.new else "")
            + (f", gone: {listed(self.gone)}" if self.gone else "")
        )


def listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return ", ".join(names[:MAX_NAMES]) + more


def start_weights(loaded: LoadedWeights, source: str, sha256: str, licence: str | None) -> StartWeights:
    """What a result says of the weights a run began with.

    Args:
        loaded: What the network took.
        source: Where the file came from.
        sha256: Of the file.
        licence: As somebody said; None for what the file says, if it does.
    """
    return StartWeights(
        source=source, sha256=sha256, licence=licence or loaded.licence or None, loaded=loaded.sentence()
    )


def load_matching(network: nn.Module, path: Path, classes: Sequence[str]) -> LoadedWeights:
    """Load what fits by name and shape; the rows of class heads go by the names of their classes.

    A file that does not name its classes gives its class heads as they are if it has as many, else none.

    Args:
        network: Gets the weights. What the file does not have stays as it is.
        path: Where they are.
        classes: The network's, in the order of its rows.

    Raises:
        BadWeights: unreadable, not finite, or of another network. The network is as it was.
    """
    own, given = network.state_dict(), read_weights(path)
    refuse_other_network(path, own, given)
    taken = {name: value for name, value in given.tensors.items() if name in own and own[name].shape == value.shape}
    whole = set(taken)
    new = tuple(name for name in classes if name not in given.classes) if given.classes is not None else ()
    if given.classes is not None:
        heads = class_heads_by_name(path, own, given.tensors, given.classes, classes)
        taken |= heads
        whole = (whole - heads.keys()) if new else (whole | heads.keys())
    refuse_no_numbers(path, {name: value.to(own[name].dtype) for name, value in taken.items()})
    network.load_state_dict(taken, strict=False)
    there = given.classes or ()
    return LoadedWeights(
        matched=len(whole),
        total=len(own),
        left_out=tuple(sorted(own.keys() - whole)),
        named=given.classes is not None,
        kept=tuple(name for name in classes if name in there),
        new=new,
        gone=tuple(name for name in there if name not in classes),
        licence=given.licence,
    )


def refuse_other_network(path: Path, own: Mapping[str, Tensor], given: WeightsFile) -> None:
    """Refuse weights of another variant, or of no YOLO-NAS at all.

    More than half of m fits into l, so one tensor of another shape is enough; class heads may have other rows.

    Raises:
        BadWeights: with how many tensors fit.
    """
    common = given.tensors.keys() & own.keys()
    fitting = [name for name in common if shape_but_classes(name, own) == shape_but_classes(name, given.tensors)]
    if len(fitting) < len(common) or len(fitting) < len(own) // 2:
        says = f" (the file says {given.variant})" if given.variant else ""
        raise BadWeights(
            f"weights {path}: {len(fitting)} of {len(own)} tensors fit; they belong to another network, "
            f"check the variant{says}"
        )


def shape_but_classes(name: str, tensors: Mapping[str, Tensor]) -> torch.Size:
    """The shape of a tensor, without its rows if there is one for each class."""
    shape = tensors[name].shape
    return shape[1:] if CLASS_HEAD in name else shape


def class_heads_by_name(
    path: Path,
    own: Mapping[str, Tensor],
    given: Mapping[str, Tensor],
    there: Sequence[str],
    classes: Sequence[str],
) -> dict[str, Tensor]:
    """The network's class heads with the file's row for each class that both know; other rows are the network's.

    Args:
        path: Where the file is, for messages.
        own: The network's tensors, one row for each of ``classes`` in the heads.
        given: The file's tensors, one row for each of ``there`` in the heads.
        there: Classes of the file.
        classes: Classes of the network.

    Raises:
        BadWeights: the file does not have a row for each class it names.
    """
    row_there = {name: row for row, name in enumerate(there)}
    both = [row for row, name in enumerate(classes) if name in row_there]
    sources = [row_there[classes[row]] for row in both]
    heads = {}
    for name in own:
        if CLASS_HEAD not in name:
            continue
        rows = len(given[name]) if name in given else 0
        if rows != len(there):
            raise BadWeights(
                f"weights {path}: names {len(there)} classes, but {name} has {rows} rows; take weights nasflow wrote"
            )
        heads[name] = own[name].detach().clone()
        heads[name][both] = given[name][sources].to(heads[name])
    return heads


def refuse_no_numbers(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Refuse weights that the loss could not survive.

    Raises:
        BadWeights: naming the first tensor with a value that is no finite number.
    """
    if bad := [name for name, value in tensors.items() if not torch.isfinite(value).all()]:
        raise BadWeights(f"weights {path}: {bad[0]} holds values that are no finite numbers; take other weights")
