"""Killed at random moments while saving and fetching a snapshot: nothing half-written counts, the next completes."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tasks.labeling.inspection import inspect_export, require_snapshot
from tasks.local import dataset_folder
from tasks.local.files import file_sha256
from tasks.storage import keys
from tasks.storage.datasets import load_snapshot
from tasks.storage.s3 import Store
from tests.fakes.formats import write_in

KILLS = 10
IMAGES = 300


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = [f"{number}.jpg" for number in range(IMAGES)]
    splits = {
        "train": {name: [("cat", 10, 10, 50, 40)] for name in names[:-50]},
        "valid": {name: [("cat", 10, 10, 50, 40)] for name in names[-50:]},
    }
    return write_in("voc", tmp_path_factory.mktemp("kills") / "export", splits)


def start(verb: str, export: Path, folder: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    """A process that has inspected the export, and now saves or fetches its snapshot."""
    command = [sys.executable, "-m", "tests.fakes.snapshots", verb, str(export), str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment})
    assert process.stdout is not None
    assert process.stdout.readline() == "began\n"
    return process


def kill(process: subprocess.Popen[str], seconds: float) -> None:
    time.sleep(seconds)
    process.kill()
    process.communicate()


def finish(process: subprocess.Popen[str]) -> str:
    digest, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return digest.strip()


def assert_no_orphans(store: Store) -> None:
    """The images of every manifest are in the store."""
    blobs = set(store.list(keys.blobs()))
    for key in store.list("datasets/snapshots/"):
        snapshot = load_snapshot(store, Path(key).stem)
        assert {keys.blob(image.sha256) for image in snapshot.images} <= blobs


def test_saving_and_fetching_survive_ten_kills_each(
    store: Store, store_environment: dict[str, str], export: Path, tmp_path: Path
) -> None:
    dice = random.Random(4)
    digest = require_snapshot(inspect_export(export, tmp_path / "x")).digest
    for _ in range(KILLS):
        kill(start("save", export, tmp_path, store_environment), dice.uniform(0, 0.5))
        assert_no_orphans(store)
    assert finish(start("save", export, tmp_path, store_environment)) == digest
    assert_no_orphans(store)
    assert load_snapshot(store, digest).digest == digest

    for _ in range(KILLS):
        kill(start("fetch", export, tmp_path, store_environment), dice.uniform(0, 0.4))
    assert finish(start("fetch", export, tmp_path, store_environment)) == digest
    snapshot = dataset_folder.load(tmp_path / "dataset")
    assert snapshot.digest == digest
    for image in snapshot.images:
        assert file_sha256(dataset_folder.image_path(tmp_path / "dataset", image)) == image.sha256
