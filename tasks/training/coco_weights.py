"""super-gradients' COCO weights: where they are, what they have to be, and bringing them here or into the store.

The address in super-gradients 3.7.1 is dead. Present ones and the SHA-256 of s, m and l: the source code of LibreYOLO,
libreyolo/models/yolonas/model.py. super-gradients publishes no checksums.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

from tasks.errors import BadWeights, LostRace, NotInStore, WeightsUnavailable
from tasks.local.download import Download, DownloadBroke, DownloadRefused, OnProgress
from tasks.records import COCO_LICENCE, PretrainedWeights, RetrainRequest, Variant
from tasks.settings import WorkSettings
from tasks.storage import keys
from tasks.storage.documents import create_record, find_record
from tasks.storage.s3 import Store
from tasks.storage.sweeps import undisturbed

logger = logging.getLogger(__name__)

COCO = "coco"
"""Requests name them so."""
SHA256: dict[Variant, str] = {
    "s": "c1b1d9148ab8ae5d5984699547e850955ff9efccaf568c67b3d605acb4bfe1cb",
    "m": "b194fc7fa196f76161c6356558bedf04fb99a62325a74a36a4bec3ca8ba48250",
    "l": "91a06beaa1ce1a651d6691e3198061da996eafc8890503238dedacbd4c392a32",
}


@dataclass(frozen=True)
class CocoWeights:
    """The COCO weights that a request starts from."""

    download: Download
    licence: str

    @classmethod
    def of(cls, request: RetrainRequest, settings: WorkSettings) -> "CocoWeights":
        """Those of the request's variant, unless the request names another SHA-256."""
        url = f"{settings.coco_weights_url.rstrip('/')}/yolo_nas_{request.variant}_coco.pth"
        sha256 = request.weights_sha256 or SHA256[request.variant]
        path = settings.work_dir / "weights" / f"{sha256}.pth"
        return cls(Download(url, sha256, path), request.weights_licence or COCO_LICENCE)

    def named_in(self, request: RetrainRequest, place: str) -> RetrainRequest:
        """The request with these weights as it would name any others: where they are, SHA-256 and licence."""
        named = {"weights": place, "weights_sha256": self.download.sha256, "weights_licence": self.licence}
        return request.model_copy(update=named)

    def fetch(self, on_progress: OnProgress) -> Path:
        """Fetch them to this machine, unless they are there.

        Args:
            on_progress: Called while they come.

        Returns:
            The file.

        Raises:
            BadWeights: the server has no such file, or the folder cannot be written.
            WeightsUnavailable: the server does not answer, or broke off each time.
        """
        download = self.download
        try:
            download.fetch(on_progress)
        except DownloadBroke as error:
            raise WeightsUnavailable(f"weights coco: {download.address}: {error}; {self._by_hand()}") from None
        except DownloadRefused as error:
            raise BadWeights(f"weights coco: {download.address}: {error}; {self._by_hand()}") from None
        except OSError as error:
            remedy = "set NASFLOW_WORK_DIR to a folder with room"
            raise BadWeights(f"weights coco: {download.path.parent}: {error.strerror or error}; {remedy}") from None
        return download.path

    def bring_into_store(self, store: Store, on_progress: OnProgress) -> PretrainedWeights:
        """Fetch them into the store, unless they are there.

        Two that do this at once write the same file; the first one's manifest stays.

        Args:
            store: The object store.
            on_progress: Called while they come.

        Returns:
            The manifest of the weights.

        Raises:
            BadWeights: the server has no such file, or the folder cannot be written.
            WeightsUnavailable: the server does not answer, or broke off each time.
        """
        return undisturbed(store, lambda: self._find_in_store(store) or self._add_to_store(store, on_progress))

    def _find_in_store(self, store: Store) -> PretrainedWeights | None:
        """The manifest, unless a lifecycle rule removed what it names; both are renewed for housekeeping."""
        key = keys.pretrained_manifest(self.download.sha256)
        if (found := find_record(store, key, PretrainedWeights)) is None:
            return None
        try:
            store.renew(found.file.key)
            store.renew(key)
        except NotInStore:
            return None
        logger.info("weights coco: %s is in the store", found.file.key)
        return found

    def _add_to_store(self, store: Store, on_progress: OnProgress) -> PretrainedWeights:
        name = self.download.address.rpartition("/")[2]
        file = store.upload(self.fetch(on_progress), lambda sha256: keys.pretrained_file(sha256, name))
        logger.info("weights coco: %.1f MB from %s, %s", file.size / 1e6, self.download.address, COCO_LICENCE)
        weights = PretrainedWeights(file=file, source=self.download.address, licence=COCO_LICENCE)
        try:
            create_record(store, keys.pretrained_manifest(file.sha256), weights)
        except LostRace:
            return self._find_in_store(store) or weights
        return weights

    def _by_hand(self) -> str:
        return (
            "try again later, or download it in a browser and name the file in place of coco, with --weights-sha256 "
            f"{self.download.sha256}; NASFLOW_COCO_WEIGHTS_URL may name a mirror"
        )


def with_coco_in_store(
    store: Store, request: RetrainRequest, settings: WorkSettings, on_progress: OnProgress
) -> RetrainRequest:
    """Bring COCO weights into the store, if a request starts from them.

    Args:
        store: The object store.
        request: What was asked for.
        settings: Settings of this machine.
        on_progress: Called while they come.

    Returns:
        The request, with the key of these weights in place of their name.

    Raises:
        BadWeights: the server has no such file, or the folder cannot be written.
        WeightsUnavailable: the server does not answer, or broke off each time.
    """
    if request.weights != COCO:
        return request
    coco = CocoWeights.of(request, settings)
    file = coco.bring_into_store(store, on_progress).file
    return coco.named_in(request, f"{keys.STORE_SCHEME}{file.key}")
