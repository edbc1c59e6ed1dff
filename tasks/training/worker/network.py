"""The YOLO-NAS network of super-gradients, and its weights as safetensors with what a user of them must know.

The metadata of a weights file: ``classes`` (JSON list), ``variant``, ``image_size``, ``epoch``, ``map``, and how
pictures go in: RGB, divided by 255, longest side scaled to the input size, padded right and below with 114.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from super_gradients.training import models
from torch import Tensor, nn

from tasks.dataset_folder import publish_bytes
from tasks.errors import BadWeights
from tasks.records import BestEpoch, TrainingSpec

CLASS_HEAD = ".cls_pred."
"""Part of the names of the tensors that hold one row a class."""
PREPROCESSING = {"channels": "RGB", "scale": "1/255", "resize": "longest side", "padding": "right and below, 114"}


@dataclass(frozen=True)
class LoadedWeights:
    """How much of a weights file fitted a network."""

    matched: int
    total: int
    left_out: tuple[str, ...]


def build_network(variant: str, classes: int) -> nn.Module:
    """A YOLO-NAS network with random weights and ``classes`` outputs."""
    network: nn.Module = models.get(f"yolo_nas_{variant}", num_classes=classes)
    return network


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
    publish_bytes(path, save(tensors, metadata=metadata))


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata of a weights file.

    Raises:
        BadWeights: it is no safetensors file, or not one of ours.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata: dict[str, str] = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise BadWeights(f"weights {path}: not a readable safetensors file ({error}); fetch it again") from None
    if missing := {"classes", "variant", "image_size"} - metadata.keys():
        raise BadWeights(f"weights {path}: metadata lacks {', '.join(sorted(missing))}; take weights nasflow wrote")
    return metadata


def known_classes(path: Path) -> tuple[str, ...] | None:
    """The classes that a weights file of ours names; None for files of others."""
    if path.suffix != ".safetensors":
        return None
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
    return tuple(json.loads(metadata["classes"])) if "classes" in metadata else None


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, or of a torch checkpoint that holds nothing but data.

    Raises:
        BadWeights: it is neither.
    """
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no mapping
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001, a damaged file fails in many ways
        message = str(error).splitlines()[0]
        raise BadWeights(
            f"weights {path}: cannot be read ({message}); give a .safetensors file, or a torch file of tensors alone"
        ) from None
    for part in ("ema_net", "net", "state_dict"):  # where super-gradients and others keep the network
        content = content.get(part, content) if isinstance(content, Mapping) else content
    return {name.removeprefix("module."): value for name, value in content.items() if isinstance(value, Tensor)}


def load_matching(network: nn.Module, path: Path, classes: Sequence[str]) -> LoadedWeights:
    """Load what fits by name and shape; with other classes, the class heads keep their random start.

    Args:
        network: Gets the weights.
        path: Where they are.
        classes: The network's. As many classes with other names are other classes, where the file names its own.

    Raises:
        BadWeights: unreadable, not finite, or of another network.
    """
    own = network.state_dict()
    given = read_tensors(path)
    if known_classes(path) not in (None, tuple(classes)):
        given = {name: value for name, value in given.items() if CLASS_HEAD not in name}
    fitting = {name: value for name, value in given.items() if name in own and own[name].shape == value.shape}
    if len(fitting) < len(own) // 2:
        raise BadWeights(
            f"weights {path}: {len(fitting)} of {len(own)} tensors fit; they belong to another network, "
            "check the variant"
        )
    if bad := [name for name, value in fitting.items() if not torch.isfinite(value).all()]:
        raise BadWeights(f"weights {path}: {bad[0]} holds values that are no finite numbers; take other weights")
    network.load_state_dict(fitting, strict=False)
    return LoadedWeights(len(fitting), len(own), tuple(sorted(own.keys() - fitting.keys())))


def load_all(network: nn.Module, path: Path) -> None:
    """Load weights that must fit exactly.

    Raises:
        BadWeights: a tensor is missing, too many, or of another shape.
    """
    try:
        network.load_state_dict(read_tensors(path), strict=True)
    except RuntimeError as error:
        raise BadWeights(f"weights {path}: {str(error).splitlines()[0]}; they belong to another network") from None
