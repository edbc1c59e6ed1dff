"""Which images of a Roboflow project were given back to labelling: a record each, in the store."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from tasks.records import LabelledImage, ReturnedImage
from tasks.storage import keys
from tasks.storage.documents import put_record
from tasks.storage.s3 import Store


@dataclass(frozen=True)
class ReturnedImages:
    """Records in the store: whoever gives back next, from any machine, finds them."""

    store: Store
    workspace: str
    project: str

    def names(self) -> set[str]:
        """Keys of all records of the project."""
        return set(self.store.list(keys.returned_images(self.workspace, self.project)))

    def name_of(self, image: LabelledImage, classes: Sequence[str]) -> str:
        """Key of the record of an image with its present labels."""
        return keys.returned_image(self.workspace, self.project, image.sha256, labels_digest(image, classes))

    def write(self, image: ReturnedImage) -> None:
        """Write the record of an image."""
        key = keys.returned_image(self.workspace, self.project, image.sha256, image.labels_digest)
        put_record(self.store, key, image)


def labels_digest(image: LabelledImage, classes: Sequence[str]) -> str:
    """Digest of an image's labels: a person who has changed them may be asked again.

    Args:
        image: The image.
        classes: Class names by index.

    Returns:
        SHA-256 in hex, whatever the order of boxes and classes is.
    """
    boxes = sorted([classes[box.class_index], *map(str, box[1:])] for box in image.boxes)
    return hashlib.sha256(json.dumps(boxes).encode()).hexdigest()
