"""The project's page in the store: written anew from the registry, and never over one that knows more."""

import hashlib
import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

from tasks.errors import LostRace, NotInStore
from tasks.local.threads import in_context
from tasks.outages import Patience, wait_out
from tasks.promotion.aliases import find_alias
from tasks.promotion.index import ProjectIndex
from tasks.promotion.page.content import ProjectContent
from tasks.promotion.page.page import render
from tasks.promotion.registry import CHAMPION
from tasks.records import DatasetSnapshot, ModelVersion, Split, VersionLabels
from tasks.storage import keys
from tasks.storage.datasets import load_snapshot
from tasks.storage.documents import create_record
from tasks.storage.s3 import Store

logger = logging.getLogger(__name__)

THREADS = 8
"""Versions that are looked up at a time: what is read is small, so most of the time goes by waiting for answers."""

PATIENCE = Patience(limit=300)
"""So long a run waits for a store that is away, when nothing but the page is left to write."""

OnProgress = Callable[[int, int], None]
"""Called with the versions that were counted, and those that have to be."""


def update_page(store: Store, project: str, on_progress: OnProgress = lambda done, total: None) -> str:
    """Write the page of a project from what the registry has; nothing is written if the page says that already.

    Of two who write at once, the page stays that was made from a registry with the work of both: who finds that the
    page was written meanwhile reads the registry again.

    Args:
        store: Store of the registry.
        project: The project.
        on_progress: Called after each version whose labels are counted for the first time.

    Returns:
        Key of the page.
    """
    key = keys.project_page(project)
    while True:
        current, etag = _read_page(store, key)
        page = render(gather(store, project, on_progress)).encode()
        if page == current:
            return key
        try:
            if etag is None:
                store.create(key, page, content_type="text/html")
            else:
                store.replace(key, page, etag, content_type="text/html")
        except LostRace:
            logger.info("%s was written meanwhile; reading the registry again", store.uri(key))
            continue
        return key


def try_update_page(store: Store, project: str, sleep: Callable[[float], None]) -> bool:
    """Write the page of a project at the end of a run: a failure is logged, since the model is published anyway.

    Args:
        store: Store of the registry.
        project: The project.
        sleep: Waits for a number of seconds while the store is away; what it raises ends the waiting.

    Returns:
        Whether the page is up to date.
    """
    try:
        key = wait_out(lambda: update_page(store, project), "all else of this run is done", PATIENCE, sleep)
    except Exception as error:  # noqa: BLE001, whatever it is, the run has done what it was asked for
        remedy = f"`nasflow models page {project}` writes it"
        logger.warning("the page of %s was not written: %s; %s", project, error, remedy)
        return False
    logger.info("%s is up to date", store.uri(key))
    return True


def gather(store: Store, project: str, on_progress: OnProgress = lambda done, total: None) -> ProjectContent:
    """Read what the page is made from.

    Args:
        store: Store of the registry.
        project: The project.
        on_progress: Called after each version whose labels are counted for the first time.

    Returns:
        The content.
    """
    # The alias first: it points to versions that are published, so the list that is read after it has them.
    alias = find_alias(store, project, CHAMPION)
    index = ProjectIndex(store, project)
    cards = list(index.read("card.json", ModelVersion).values())
    labels = index.read("labels.json", VersionLabels)
    index.keep()
    uncounted = [card for card in cards if card.version not in labels]
    with ThreadPoolExecutor(THREADS) as pool:
        found = pool.map(in_context(partial(_count_labels, store)), uncounted)
        for done, (card, counted) in enumerate(zip(uncounted, found, strict=True), start=1):
            if counted is not None:
                labels[card.version] = counted
            on_progress(done, len(uncounted))
    return ProjectContent(project, cards, alias, labels)


def _read_page(store: Store, key: str) -> tuple[bytes | None, str | None]:
    try:
        return store.get(key)
    except NotInStore:
        return None, None


def _count_labels(store: Store, card: ModelVersion) -> VersionLabels | None:
    """Count a version's labels in the snapshot, which is done once, and keep the counts beside the card."""
    key = keys.model_labels(card.project, card.version)
    try:
        labels = count_labels(load_snapshot(store, card.snapshot_digest), card.split)
    except NotInStore:
        return None
    with suppress(LostRace):
        create_record(store, key, labels)
    return labels


def count_labels(snapshot: DatasetSnapshot, split: Split) -> VersionLabels:
    """Count the images of a snapshot, and tell those of the measured split by a digest.

    Args:
        snapshot: The labels of a version.
        split: Split that it was measured on.

    Returns:
        The counts. Images count as the same if their bytes and boxes are, whatever their names, order and split.
    """
    measured = snapshot.of_split(split)
    content = sorted(
        [image.sha256, sorted([snapshot.classes[index], *corners] for index, *corners in image.boxes)]
        for image in measured
    )
    return VersionLabels(
        training_images=len(snapshot.of_split("train")),
        measured_images=len(measured),
        measured_digest=hashlib.sha256(json.dumps(content).encode()).hexdigest(),
    )
