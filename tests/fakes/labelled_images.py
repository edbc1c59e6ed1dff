"""Images in a dataset folder, with what a snapshot says of each."""

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from tasks.records import Box, LabelledImage


def add_image(
    folder: Path, image: Image.Image, kind: str = "PNG", *, boxes: Sequence[Box] = (), **options: object
) -> LabelledImage:
    """Save an image into a dataset folder; ``options`` are those of Pillow's encoder."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    content = file.getvalue()
    sha256 = hashlib.sha256(content).hexdigest()
    (folder / "images").mkdir(exist_ok=True)
    (folder / "images" / sha256).write_bytes(content)
    return LabelledImage(
        file_name=f"{kind}.{kind.lower()}", split="train", sha256=sha256, size=len(content),
        width=image.width, height=image.height, boxes=tuple(boxes),
    )  # fmt: skip
