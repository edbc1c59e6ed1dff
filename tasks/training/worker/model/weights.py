"""Reading weights files, without running their code.

Our files are safetensors with the metadata that ``weights_writer.py`` lists. Torch files of super-gradients can be
read, too.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor, nn

from tasks.errors import BadWeights
from tasks.training.worker.model.weights_errors import unreadable_refused

NETWORK_KEYS = ("ema_net", "net", "state_dict")
"""Where super-gradients and others keep the network in a torch file; the EMA comes first."""
TORCH_MAGIC = (b"PK\x03\x04", b"\x80")
"""First bytes of zip files and pickles."""
MAX_HEADER_BYTES = 100_000_000
"""The safetensors library reads no longer header."""


@dataclass(frozen=True)
class WeightsFile:
    """What a weights file holds."""

    tensors: dict[str, Tensor]
    """By name, on the CPU."""
    classes: tuple[str, ...] | None
    """Names of the rows of its class heads; None if it does not say."""
    variant: str | None
    licence: str | None


def read_metadata(path: Path) -> dict[str, str]:
    """Read the metadata of a weights file of ours.

    Raises:
        BadWeights: It is no safetensors file, or not one of ours.
    """
    metadata = safetensors_metadata(path)
    if missing := {"classes", "variant", "image_size"} - metadata.keys():
        raise BadWeights(f"weights {path}: metadata lacks {', '.join(sorted(missing))}; take weights nasflow wrote")
    return metadata


def safetensors_metadata(path: Path) -> dict[str, str]:
    """Read the metadata of any safetensors file; empty if it has none.

    Raises:
        BadWeights: It is no safetensors file.
    """
    with unreadable_refused(path), safe_open(path, framework="pt") as file:
        metadata: dict[str, str] = file.metadata() or {}
    return metadata


def is_safetensors(path: Path) -> bool:
    """Tell a safetensors file from a torch file by its first bytes; its name may be anything.

    Safetensors begin with the header's length and its JSON. That is tested first, since a length may look like a
    pickle.

    Raises:
        BadWeights: It is neither.
    """
    with unreadable_refused(path), path.open("rb") as file:
        start = file.read(9)
        if start[8:] == b"{" and int.from_bytes(start[:8], "little") <= MAX_HEADER_BYTES:
            return True
        if not start.startswith(TORCH_MAGIC):
            raise ValueError(f"it begins with {start!r}, and neither safetensors nor torch files do")
    return False


def read_weights(path: Path) -> WeightsFile:
    """Read a safetensors file, or the network in a torch file that holds nothing but data.

    Raises:
        BadWeights: It is neither, or damaged.
    """
    if not is_safetensors(path):
        return WeightsFile(read_torch(path), classes=None, variant=None, licence=None)
    metadata = safetensors_metadata(path)
    with unreadable_refused(path), safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no mapping
    classes = read_classes(path, metadata["classes"]) if "classes" in metadata else None
    return WeightsFile(tensors, classes, metadata.get("variant"), metadata.get("licence"))


def read_classes(path: Path, text: str) -> tuple[str, ...]:
    """Parse the class names in a file's metadata, a JSON list.

    Raises:
        BadWeights: It is no list of names, or a name is there twice, so that its row is ambiguous.
    """
    with unreadable_refused(path):
        classes = json.loads(text)
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise BadWeights(f"weights {path}: classes in the metadata are no list of names; take weights nasflow wrote")
    if len(set(classes)) < len(classes):
        raise BadWeights(f"weights {path}: the metadata names a class twice; take weights nasflow wrote")
    return tuple(classes)


def read_torch(path: Path) -> dict[str, Tensor]:
    """Read the tensors of the network in a torch file, its EMA if it has one, by names without ``module.``.

    Raises:
        BadWeights: It cannot be read as data alone, or holds no network.
    """
    # Opened here, since torch takes a path that ends in .safetensors for such a file.
    with unreadable_refused(path), path.open("rb") as file:
        content = torch.load(file, map_location="cpu", weights_only=True)
    if not isinstance(content, Mapping):
        raise BadWeights(f"weights {path}: holds no network but a {type(content).__name__}; save its state_dict()")
    networks = [content[key] for key in NETWORK_KEYS if isinstance(content.get(key), Mapping)]
    network = networks[0] if networks else content
    return {str(name).removeprefix("module."): value for name, value in network.items() if isinstance(value, Tensor)}


def load_all(network: nn.Module, path: Path) -> None:
    """Load weights that must fit exactly.

    Raises:
        BadWeights: A tensor is missing, unknown to the network, or of another shape.
    """
    try:
        network.load_state_dict(read_weights(path).tensors, strict=True)
    except RuntimeError as error:
        raise BadWeights(f"weights {path}: {str(error).splitlines()[0]}; they belong to another network") from None
