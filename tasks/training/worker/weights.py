"""Weights files: written with what a user of them must know, read without running their code, put into a network.

All that knows what such a file looks like belongs here. Ours are safetensors with the metadata ``classes`` (JSON list),
``variant``, ``image_size``, ``epoch``, ``map``, ``run_key``, and how pictures go in: RGB, divided by 255, longest side
scaled to the input size, padded right and below with 114. Torch files of super-gradients can be read, too.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from tasks.dataset_folder import publish_bytes
from tasks.errors import BadWeights
from tasks.records import BestEpoch, TrainingSpec

CLASS_HEAD = ".cls_pred."
"""Part of the names of the tensors that hold one row a class."""
PREPROCESSING = {"channels": "RGB", "scale": "1/255", "resize": "longest side", "padding": "right and below, 114"}
NETWORK_PARTS = ("ema_net", "net", "state_dict")
"""Where super-gradients and others keep the network in a torch file; averaged weights come first."""
GIVE_ANOTHER = "give a .safetensors file, or a torch file of tensors alone"
SAVE_AGAIN = (
    "if you trust it, keep its tensors alone (this runs what is in it): "
    """python -c "import torch; c = torch.load({path!r}, map_location='cpu', weights_only=False); """
    """torch.save(c.get('ema_net') or c['net'], {to!r})", and give that file"""
)
"""The remedy for torch files of super-gradients with numpy's numbers beside the network."""
MOST_NAMES = 6
"""How many names a message gives before it only counts."""


@dataclass(frozen=True)
class WeightsFile:
    """What a weights file holds."""

    tensors: dict[str, Tensor]
    """By name, on the CPU."""
    classes: tuple[str, ...] | None
    """Names of the rows of its class heads; None if it does not say."""
    variant: str | None
    licence: str | None


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
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


# Writing and reading -------------------------------------------------------------------------------


def write_weights(path: Path, network: nn.Module, spec: TrainingSpec, best: BestEpoch) -> None:
    """Publish the weights of ``network`` as safetensors, whole or not at all."""
    metadata = {
        "classes": json.dumps(spec.classes),
        "variant": spec.variant,
        "image_size": str(spec.image_size),
        "epoch": str(best.epoch),
        "map": str(best.map),
        "run_key": spec.digest,
        **PREPROCESSING,
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    publish_bytes(path, in_fixed_order(save(tensors, metadata=metadata)))


def in_fixed_order(content: bytes) -> bytes:
    """A safetensors file with sorted metadata: the library writes it in another order each time.

    Layout: eight bytes with the header's length, little endian, the header as JSON, padded with blanks, the tensors.
    """
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[start:]


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata of a weights file of ours.

    Raises:
        BadWeights: it is no safetensors file, or not one of ours.
    """
    metadata = safetensors_metadata(path)
    if missing := {"classes", "variant", "image_size"} - metadata.keys():
        raise BadWeights(f"weights {path}: metadata lacks {', '.join(sorted(missing))}; take weights nasflow wrote")
    return metadata


def safetensors_metadata(path: Path) -> dict[str, str]:
    """The metadata of any safetensors file; empty if it has none.

    Raises:
        BadWeights: it is no safetensors file.
    """
    with unreadable_refused(path), safe_open(path, framework="pt") as file:
        metadata: dict[str, str] = file.metadata() or {}
    return metadata


def read_weights(path: Path) -> WeightsFile:
    """All of a safetensors file, or the network in a torch file that holds nothing but data.

    Raises:
        BadWeights: it is neither.
    """
    if path.suffix != ".safetensors":
        return WeightsFile(read_torch(path), classes=None, variant=None, licence=None)
    metadata = safetensors_metadata(path)
    with unreadable_refused(path), safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no mapping
    classes = read_classes(path, metadata["classes"]) if "classes" in metadata else None
    return WeightsFile(tensors, classes, metadata.get("variant"), metadata.get("licence"))


def read_classes(path: Path, text: str) -> tuple[str, ...]:
    """The class names in a file's metadata, a JSON list.

    Raises:
        BadWeights: it is no list of names, or one comes twice, so that a row could not be found by name.
    """
    with unreadable_refused(path):
        classes = json.loads(text)
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise BadWeights(f"weights {path}: classes in the metadata are no list of names; take weights nasflow wrote")
    if len(set(classes)) < len(classes):
        raise BadWeights(f"weights {path}: the metadata names a class twice; take weights nasflow wrote")
    return tuple(classes)


def read_torch(path: Path) -> dict[str, Tensor]:
    """The tensors of the network in a torch file, averaged ones where there are any, without ``module.``.

    Raises:
        BadWeights: it cannot be read as data alone, or holds no network.
    """
    with unreadable_refused(path):
        content = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(content, Mapping):
        raise BadWeights(f"weights {path}: holds no network but a {type(content).__name__}; save its state_dict()")
    parts = [content[name] for name in NETWORK_PARTS if isinstance(content.get(name), Mapping)]
    network = parts[0] if parts else content
    return {str(name).removeprefix("module."): value for name, value in network.items() if isinstance(value, Tensor)}


@contextmanager
def unreadable_refused(path: Path) -> Iterator[None]:
    """Turn whatever reading raises into one line with what to do.

    Raises:
        BadWeights: instead.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001, a damaged file fails in many ways
        raise BadWeights(f"weights {path}: {refusal(path, str(error) or type(error).__name__)}") from None


def refusal(path: Path, message: str) -> str:
    """Why a file is not read, from a library's message, and what to do.

    torch's own advice is never passed on: it is to read the file with its code.
    """
    if asked := re.search(r"nsupported (?:global: )?GLOBAL (\S+)", message):
        again = SAVE_AGAIN.format(path=str(path), to=f"{path.stem}.weights.pth")
        remedy = again if asks_numpy_alone(path) else GIVE_ANOTHER
        return f"cannot be read as data alone, it asks for {asked[1]}; {remedy}"
    reason = message.partition("WeightsUnpickler error: ")[2] or message
    return f"cannot be read ({reason.strip().splitlines()[0][:200]}); if it is damaged, fetch it again; {GIVE_ANOTHER}"


def asks_numpy_alone(path: Path) -> bool:
    """Whether all that a torch file asks for, besides data, is numpy's; found without running any of it."""
    try:
        asked = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # noqa: BLE001, files of before torch 1.6, and made to mislead
        return False
    return all(name.startswith("numpy.") for name in asked)


# Loading -------------------------------------------------------------------------------------------


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


def load_all(network: nn.Module, path: Path) -> None:
    """Load weights that must fit exactly.

    Raises:
        BadWeights: a tensor is missing, too many, or of another shape.
    """
    try:
        network.load_state_dict(read_weights(path).tensors, strict=True)
    except RuntimeError as error:
        raise BadWeights(f"weights {path}: {str(error).splitlines()[0]}; they belong to another network") from None
