"""Writing weights files: safetensors with the metadata that a user of them needs.

The metadata are ``classes`` (JSON list), ``variant``, ``image_size``, ``epoch``, ``map``, ``run_key``, ``licence``
where it is known, and how images go in: RGB, divided by 255, longest side scaled to the input size, padded on the right
and below with 114.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from tasks.images.network_input import PREPROCESSING
from tasks.local.files import publishing
from tasks.records import BestEpoch, TrainingSpec


def write_weights(
    path: Path, tensors: Mapping[str, Tensor], spec: TrainingSpec, best: BestEpoch, licence: str | None = None
) -> None:
    """Publish a network's weights as safetensors, whole or not at all.

    Args:
        path: The file.
        tensors: The network's state_dict.
        spec: The run.
        best: The epoch that the weights are from.
        licence: The licence of the weights; None if it is not known.
    """
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
    parts = with_sorted_metadata(save(plain, metadata=metadata))
    with publishing(path) as temporary, temporary.open("wb") as file:
        file.writelines(parts)


def with_sorted_metadata(content: bytes) -> tuple[bytes, bytes, memoryview]:
    """Sort the metadata of a safetensors file: the library writes them in another order each time.

    Layout: eight bytes with the header's length, little endian; the header as JSON, padded with blanks; the tensors.

    Returns:
        These three parts.
    """
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little"), text, memoryview(content)[start:]
