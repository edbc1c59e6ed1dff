"""Which images were sent to a Roboflow project: a record each, in the store, or in the folder of the results."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from tasks.errors import BadInput
from tasks.local.files import publish_bytes
from tasks.local.threads import in_context
from tasks.records import SentImage
from tasks.storage import keys
from tasks.storage.documents import put_record, read_record
from tasks.storage.s3 import Store

FOLDER = "sent"
THREADS = 8


class SentImages(Protocol):
    """What was sent to a project."""

    def read(self) -> list[SentImage]:
        """All of it."""

    def write(self, image: SentImage) -> None:
        """Remember one image more."""


@dataclass(frozen=True)
class SentInStore:
    """Records in the store: whoever sends next, from any machine, finds them."""

    store: Store
    workspace: str
    project: str

    def read(self) -> list[SentImage]:
        """All that was sent to the project."""
        names = self.store.list(keys.sent_images(self.workspace, self.project))
        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(in_context(self._read_one), names))

    def _read_one(self, key: str) -> SentImage:
        return read_record(self.store, key, SentImage)[0]

    def write(self, image: SentImage) -> None:
        """Write the record of an image."""
        put_record(self.store, keys.sent_image(self.workspace, self.project, image.sha256), image)


@dataclass(frozen=True)
class SentInFolder:
    """Records in a folder on this machine."""

    out: Path
    workspace: str
    project: str

    @property
    def folder(self) -> Path:
        """The folder of the project's records."""
        return self.out / FOLDER / self.workspace / self.project

    def read(self) -> list[SentImage]:
        """All that was sent to the project.

        Raises:
            BadInput: a record was damaged.
        """
        return list(self._records())

    def _records(self) -> Iterator[SentImage]:
        for path in sorted(self.folder.glob("[!.]*.json")):
            try:
                yield SentImage.model_validate_json(path.read_bytes())
            except ValidationError as error:
                what = error.errors(include_input=False)[0]["msg"]
                raise BadInput(
                    f"{path}: not the record of a sent image: {what}; delete it to send the image again"
                ) from None

    def write(self, image: SentImage) -> None:
        """Write the record of an image, whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        publish_bytes(self.folder / f"{image.sha256}.json", image.model_dump_json(indent=1).encode())
