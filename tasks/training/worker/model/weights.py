"""Weights files: written with what a user of them must know, read without running their code.

All that knows what such a file looks like belongs here. Ours are safetensors with the metadata ``classes`` (JSON list),
``variant``, ``image_size``, ``epoch``, ``map``, ``run_key``, perhaps ``licence``, and how images go in: RGB, divided
by 255, longest side scaled to the input size, padded right and below with 114. Torch files of super-gradients can be
read, too.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from tasks.errors import BadWeights
from tasks.local.files import publishing
from tasks.records import BestEpoch, TrainingSpec

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
TORCH_MAGIC = (b"PK\x03\x04", b"\x80")
"""How zips and pickles begin."""
LONGEST_HEADER = 100_000_000
"""Bytes; the safetensors library reads no longer one."""


@dataclass(frozen=True)
class WeightsFile:
    """What a weights file holds."""

    tensors: dict[str, Tensor]
    """By name, on the CPU."""
    classes: tuple[str, ...] | None
    """Names of the rows of its class heads; None if it does not say."""
    variant: str | None
    licence: str | None


def write_weights(
    path: Path, tensors: Mapping[str, Tensor], spec: TrainingSpec, best: BestEpoch, licence: str | None = None
) -> None:
    """Publish a network's ``tensors`` as safetensors, whole or not at all; ``licence`` where it has one."""
    metadata = {
        "classes": json.dumps(spec.classes),
        "variant": spec.variant,
        "image_size": str(spec.image_size),
        "epoch": str(best.epoch),
        "map": str(best.map),
        "run_key": spec.digest,
        **PREPROCESSING,
        **({"licence": licence} if licence else {}),
    }
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    parts = in_fixed_order(save(plain, metadata=metadata))
    with publishing(path) as temporary, temporary.open("wb") as file:
        file.writelines(parts)


def in_fixed_order(content: bytes) -> tuple[bytes, bytes, memoryview]:
    """A safetensors file with sorted metadata, in parts: the library writes it in another order each time.

    Layout: eight bytes with the header's length, little endian, the header as JSON, padded with blanks, the tensors.
    """
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little"), text, memoryview(content)[start:]


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


def is_safetensors(path: Path) -> bool:
    """Whether a weights file is a safetensors file, or else a torch file, by how it begins; names may say anything.

    Safetensors begin with the header's length and its JSON. That is looked at first: a length may look like a pickle.

    Raises:
        BadWeights: it begins as neither.
    """
    with unreadable_refused(path), path.open("rb") as file:
        start = file.read(9)
        if start[8:] == b"{" and int.from_bytes(start[:8], "little") <= LONGEST_HEADER:
            return True
        if not start.startswith(TORCH_MAGIC):
            raise ValueError(f"it begins with {start!r}, and neither safetensors nor torch files do")
    return False


def read_weights(path: Path) -> WeightsFile:
    """All of a safetensors file, or the network in a torch file that holds nothing but data.

    Raises:
        BadWeights: it is neither, or damaged.
    """
    if not is_safetensors(path):
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
    # Opened here, since torch takes a path that ends in .safetensors for such a file.
    with unreadable_refused(path), path.open("rb") as file:
        content = torch.load(file, map_location="cpu", weights_only=True)
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
    if "TorchScript" in message:
        return f"is a program, of TorchScript; {GIVE_ANOTHER}"
    reason = message.partition("WeightsUnpickler error: ")[2] or message
    return f"cannot be read ({reason.strip().splitlines()[0][:200]}); if it is damaged, fetch it again; {GIVE_ANOTHER}"


def asks_numpy_alone(path: Path) -> bool:
    """Whether all that a torch file asks for, besides data, is numpy's; found without running any of it."""
    try:
        asked = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # noqa: BLE001, files of before torch 1.6, and made to mislead
        return False
    return all(name.startswith("numpy.") for name in asked)


def load_all(network: nn.Module, path: Path) -> None:
    """Load weights that must fit exactly.

    Raises:
        BadWeights: a tensor is missing, too many, or of another shape.
    """
    try:
        network.load_state_dict(read_weights(path).tensors, strict=True)
    except RuntimeError as error:
        raise BadWeights(f"weights {path}: {str(error).splitlines()[0]}; they belong to another network") from None
