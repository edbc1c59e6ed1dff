"""Killed at random moments while fetching labels: nothing half-written counts, and the next run completes."""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from tasks.labeling.formats.zips import pack
from tasks.labeling.in_store import export_to_store
from tasks.labeling.inspection import inspect_export, require_snapshot
from tasks.local.files import file_sha256
from tasks.records import RetrainRequest
from tasks.settings import RoboflowSettings
from tasks.storage import keys
from tasks.storage.datasets import load_snapshot
from tasks.storage.s3 import Store
from tests.fakes.formats import write_in
from tests.fakes.roboflow_misbehaviour import Misbehaviour
from tests.fakes.roboflow_project import PROJECT, WORKSPACE
from tests.fakes.roboflow_server import KEY, RoboflowServer

KILLS = 10
IMAGES = 80
FILLER_BYTES = 10_000_000
"""Bytes beside the images, so that copying the zip takes long enough to be killed."""
ZERO_BYTES = 300_000_000
"""Bytes that hardly need room in a zip, so that checking it takes long enough too."""
TRICKLE = 0.4
"""Seconds that the zip takes."""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export's zip."""
    names = [f"{number}.jpg" for number in range(IMAGES)]
    splits = {
        "train": {name: [("cat", 10, 10, 50, 40)] for name in names[:-20]},
        "valid": {name: [("cat", 10, 10, 50, 40)] for name in names[-20:]},
    }
    folder = tmp_path_factory.mktemp("kills")
    export = write_in("coco", folder / "export", splits)
    (export / "notes.txt").write_bytes(random.Random(1).randbytes(FILLER_BYTES))
    pack(export, folder / "export.zip")
    return folder / "export.zip"


@pytest.fixture(scope="module")
def slow_to_check(archive: Path) -> Path:
    """The same zip with a member that takes a while to check."""
    path = archive.with_name("slow.zip")
    shutil.copyfile(archive, path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        with file.open("zeros", "w") as member:
            for _ in range(100):
                member.write(bytes(ZERO_BYTES // 100))
    return path


@pytest.fixture
def roboflow(archive: Path) -> Iterator[RoboflowServer]:
    with RoboflowServer(archive.read_bytes(), Misbehaviour(trickle=TRICKLE)) as server:
        yield server


class Worker:
    """A process that does the job of a worker in child processes, which can be killed."""

    def __init__(self, verb: str, url: str, folder: Path, environment: dict[str, str]) -> None:
        command = [sys.executable, "-m", "tests.fakes.labels_into_store", verb, url, str(folder)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
        )

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)

    def begin(self) -> None:
        self._say("begin")

    def kill(self) -> bool:
        """Kill the job; whether it was still running."""
        self._say("kill")
        return self._ended()[0] == -signal.SIGKILL

    def finish(self) -> str:
        """Run the job to its end; its last line of output."""
        self._say("begin")
        self._say("wait")
        code, printed = self._ended()
        assert code == 0
        return printed

    def _say(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()

    def _ended(self) -> tuple[int, str]:
        assert self._process.stdout is not None
        printed = ""
        while not (line := self._process.stdout.readline()).startswith("exit "):
            assert line, "the worker is gone"
            printed = line.strip()
        return int(line.removeprefix("exit ")), printed


def test_a_killed_download_leaves_no_zip_or_a_whole_one(
    roboflow: RoboflowServer, slow_to_check: Path, tmp_path: Path
) -> None:
    """In turn while Roboflow is asked, while the zip is received, and while it is checked and renamed."""
    dice, sha256, target = random.Random(8), file_sha256(slow_to_check), tmp_path / "export.zip"
    roboflow.archive = slow_to_check.read_bytes()
    cut_short = 0
    with Worker("fetch", roboflow.url, tmp_path, {}) as worker:
        for number in range(KILLS):
            for reached in (roboflow.sending, roboflow.sent):
                reached.clear()
            worker.begin()
            asked = threading.Event()
            asked.set()  # at once
            assert (asked, roboflow.sending, roboflow.sent)[number % 3].wait(30)
            time.sleep(dice.uniform(0, (0.05, TRICKLE, 0.2)[number % 3]))
            cut_short += worker.kill() and bool(list(tmp_path.glob(".export.zip.*")))
            assert not target.exists() or file_sha256(target) == sha256
            for path in tmp_path.iterdir():
                path.unlink()
        assert cut_short
        worker.finish()
    assert file_sha256(target) == sha256


def test_bringing_labels_into_the_store_survives_ten_kills(
    store: Store, store_environment: dict[str, str], roboflow: RoboflowServer, archive: Path, tmp_path: Path
) -> None:
    """From the first request to the manifest; what killed runs left on disk is removed by the next one."""
    dice, scratch = random.Random(6), tmp_path / "scratch"
    digest = require_snapshot(inspect_export(archive, tmp_path / "x")).digest
    with Worker("store", roboflow.url, scratch, store_environment) as worker:
        for _ in range(KILLS):
            worker.begin()
            time.sleep(dice.uniform(0, 1.2))
            worker.kill()
            assert_no_orphans(store)
        left_over = list(scratch.iterdir())
        assert left_over
        for folder in left_over:
            os.utime(folder, (1, 1))
        assert worker.finish() == digest
    assert not list(scratch.iterdir())
    assert_no_orphans(store)
    assert load_snapshot(store, digest).digest == digest
    sha256 = file_sha256(archive)
    assert hashlib.sha256(store.get(keys.blob(sha256))[0]).hexdigest() == sha256


def test_a_scratch_folder_in_use_is_not_removed(
    store: Store, roboflow: RoboflowServer, archive: Path, tmp_path: Path
) -> None:
    """However old it looks: another run starts while one uses the same scratch folder."""
    scratch = tmp_path / "scratch"

    def settings() -> RoboflowSettings:
        (used,) = scratch.iterdir()
        os.utime(used, (1, 1))
        export_to_store(store, RetrainRequest(project=PROJECT, export=str(archive)), settings, scratch)
        assert list(scratch.iterdir()) == [used]
        return RoboflowSettings(api_key=SecretStr(KEY), api_url=roboflow.url, deadline=30)

    fetched = export_to_store(store, RetrainRequest(project=PROJECT, workspace=WORKSPACE), settings, scratch)
    assert fetched.sha256 == file_sha256(archive)


def assert_no_orphans(store: Store) -> None:
    """The images of every manifest are in the store."""
    blobs = set(store.list(keys.blobs()))
    for key in store.list("datasets/snapshots/"):
        snapshot = load_snapshot(store, Path(key).stem)
        assert {keys.blob(image.sha256) for image in snapshot.images} <= blobs
