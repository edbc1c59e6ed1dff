"""COCO weights from a server of this machine: into the store once, with licence and source, and into a training run."""

import hashlib
import json
import os
import random
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deployments.demo.cartoons import draw_export
from tasks.errors import BadWeights, WeightsUnavailable
from tasks.local.files import file_sha256
from tasks.records import COCO_LICENCE, PretrainedWeights, RetrainRequest, SnapshotRef, SplitCounts, TrainJob
from tasks.settings import WorkSettings
from tasks.storage import keys
from tasks.storage.documents import find_record
from tasks.storage.s3 import Store
from tasks.training.coco_weights import SHA256, CocoWeights, with_coco_in_store
from tasks.training.initial_weights import MIN_BYTES, fetch_weights, require_in_store
from tasks.training.spec import plan
from tests.fakes.cleaner import after, cleaned
from tests.fakes.coco_checkpoint import write_checkpoint
from tests.fakes.file_server import FileServer, Trouble
from tests.integration.prefect_server import NASFLOW, PRIVATE

CONTENT = random.Random(1).randbytes(MIN_BYTES)
SHA = hashlib.sha256(CONTENT).hexdigest()
SNAPSHOT = SnapshotRef(
    snapshot_digest="1" * 64, classes=("cat",), findings=(),
    splits={split: SplitCounts(images=2, boxes=2, background=0) for split in ("train", "valid")},
)  # fmt: skip
TINY = ["--epochs", "1", "--image-size", "64", "--batch-size", "2"]


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer(CONTENT) as running:
        yield running


@pytest.fixture
def work(server: FileServer, tmp_path: Path) -> WorkSettings:
    return WorkSettings(work_dir=tmp_path / "work", coco_weights_url=server.url)


def request(**values: Any) -> RetrainRequest:
    licensed = {"weights": "coco", "weights_sha256": SHA, "accept_licence": True}
    return RetrainRequest(project="pets", export="store://x", **{**licensed, **values})


def planned(store: Store, asked: RetrainRequest, work: WorkSettings) -> TrainJob:
    job = plan(with_coco_in_store(store, asked, work, lambda done, total, words: None), SNAPSHOT, None)
    require_in_store(store, job)
    return job


def pretrained(store: Store) -> list[str]:
    return store.list(keys.all_pretrained())


# In the store ----------------------------------------------------------------------------------------


def test_they_are_in_the_store_once_with_source_and_licence(
    store: Store, server: FileServer, work: WorkSettings, tmp_path: Path
) -> None:
    first = planned(store, request(), work)
    elsewhere = work.model_copy(update={"work_dir": tmp_path / "elsewhere"})
    assert planned(store, request(), elsewhere) == first
    assert len(server.requests) == 1

    key = f"pretrained/{SHA}/yolo_nas_s_coco.pth"
    assert pretrained(store) == [f"pretrained/{SHA}/manifest.json", key]
    assert (first.weights, first.spec.weights_sha256) == (f"store://{key}", SHA)
    manifest = find_record(store, keys.pretrained_manifest(SHA), PretrainedWeights)
    assert manifest is not None
    assert (manifest.source, manifest.licence) == (f"{server.url}/yolo_nas_s_coco.pth", COCO_LICENCE)
    assert first.weights_licence == COCO_LICENCE
    path = fetch_weights(store, first, tmp_path / "worker")
    assert path is not None
    assert path.read_bytes() == CONTENT


def test_a_run_from_coco_is_the_run_from_the_same_file(store: Store, work: WorkSettings) -> None:
    by_hand = plan(request(weights="/home/ada/yolo_nas_s_coco.pth", accept_licence=False), SNAPSHOT, None)
    assert planned(store, request(), work).spec.digest == by_hand.spec.digest


def test_a_licence_of_your_own_is_kept_instead(store: Store, work: WorkSettings) -> None:
    assert planned(store, request(weights_licence="our contract"), work).weights_licence == "our contract"
    assert planned(store, request(), work).weights_licence == COCO_LICENCE
    manifest = find_record(store, keys.pretrained_manifest(SHA), PretrainedWeights)
    assert manifest is not None
    assert manifest.licence == COCO_LICENCE


@pytest.mark.parametrize("weights", ["none", "store://incoming/x"])
def test_other_weights_need_no_server(store: Store, server: FileServer, work: WorkSettings, weights: str) -> None:
    asked = request(weights=weights)
    assert with_coco_in_store(store, asked, work, lambda done, total, words: None) is asked
    assert server.requests == []


@pytest.mark.parametrize("variant", ["s", "m", "l"])
def test_each_variant_has_its_file_and_a_known_sha256(
    store: Store, server: FileServer, work: WorkSettings, variant: str
) -> None:
    """What comes here is another file, so it is refused, and not put into the store."""
    with pytest.raises(BadWeights) as raised:
        planned(store, request(variant=variant, weights_sha256=None), work)
    address = f"{server.url}/yolo_nas_{variant}_coco.pth"
    assert server.requests[0]["path"] == f"/models/yolo_nas_{variant}_coco.pth"
    assert str(raised.value).startswith(
        f"weights coco: {address}: {MIN_BYTES} bytes with SHA-256 {SHA}, expected {SHA256[variant]}; "
    )
    assert pretrained(store) == []


def test_a_file_that_a_lifecycle_rule_removed_is_fetched_again(
    store: Store, server: FileServer, work: WorkSettings
) -> None:
    job = planned(store, request(), work)
    store.delete([job.weights.removeprefix("store://")])
    assert planned(store, request(), work) == job
    assert len(pretrained(store)) == 2


def test_housekeeping_removes_them_when_they_are_old_and_they_come_again(
    store: Store, server: FileServer, work: WorkSettings
) -> None:
    job = planned(store, request(), work)
    store.put("pretrained/mine.pth", b"a file of other people")
    assert cleaned(store, after(store)).kinds["published weights"].objects == 2
    assert pretrained(store) == ["pretrained/mine.pth"]
    assert planned(store, request(), work) == job


def test_two_at_once_on_two_machines_do_no_harm(store: Store, server: FileServer, tmp_path: Path) -> None:
    jobs: list[TrainJob] = []
    folders = [tmp_path / name for name in ("one", "two")]
    settings = [WorkSettings(work_dir=folder, coco_weights_url=server.url) for folder in folders]
    threads = [
        threading.Thread(target=lambda work=work: jobs.append(planned(store, request(), work))) for work in settings
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(jobs) == 2
    assert jobs[0] == jobs[1]
    assert len(pretrained(store)) == 2


# Not to be had ---------------------------------------------------------------------------------------


def test_an_address_that_does_not_answer_says_how_to_bring_the_file(store: Store, tmp_path: Path) -> None:
    work = WorkSettings(work_dir=tmp_path, coco_weights_url="http://127.0.0.1:9/models/")
    with pytest.raises(WeightsUnavailable) as raised:
        planned(store, request(), work)
    message = str(raised.value)
    assert message.startswith("weights coco: http://127.0.0.1:9/models/yolo_nas_s_coco.pth: ")
    assert message.endswith(
        "; try again later, or download it in a browser and name the file in place of coco, with --weights-sha256 "
        f"{SHA}; NASFLOW_COCO_WEIGHTS_URL may name a mirror"
    )
    assert "\n" not in message
    assert pretrained(store) == []


@pytest.mark.parametrize("trouble", [Trouble(statuses=[403]), Trouble(page=True)], ids=["403", "page"])
def test_a_refusal_says_how_to_bring_the_file(
    store: Store, server: FileServer, work: WorkSettings, trouble: Trouble
) -> None:
    server.trouble = trouble
    with pytest.raises(BadWeights, match=r"(HTTP 403|a web page came, and no file); .*download it in a browser"):
        planned(store, request(), work)
    assert pretrained(store) == []


def test_a_folder_that_cannot_be_written_is_named(store: Store, server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    work = WorkSettings(work_dir=tmp_path / "file", coco_weights_url=server.url)
    with pytest.raises(BadWeights, match=r"weights coco: .*file/weights: Not a directory; set NASFLOW_WORK_DIR"):
        CocoWeights.of(request(), work).fetch(lambda done, total, words: None)


# The command -----------------------------------------------------------------------------------------


@pytest.fixture
def export(tmp_path: Path) -> Path:
    draw_export(tmp_path / "labels", 1, train=2, valid=1, test=0, size=64)
    return tmp_path / "labels"


def clean_environment(folder: Path) -> dict[str, str]:
    """Environment variables without settings of this machine, and with an empty home folder."""
    others = {name: value for name, value in os.environ.items() if not name.startswith(PRIVATE)}
    return {
        **others, "HOME": str(folder / "home"), "PREFECT_HOME": str(folder / "prefect"), "OMP_NUM_THREADS": "1",
    }  # fmt: skip


def nasflow(folder: Path, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    command, environment = [NASFLOW, *map(str, arguments)], {**clean_environment(folder), **variables}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize("verb", ["train", "retrain", "study", "schedule set"])
def test_without_the_licence_nothing_begins(server: FileServer, tmp_path: Path, verb: str) -> None:
    """Neither the export is read, nor a server or a store asked."""
    arguments = {
        "train": ["/no/export", "--out", str(tmp_path / "run")],
        "schedule set": ["pets", "--every", "1d", "--workspace", "acme"],
    }.get(verb, ["--project", "pets", "--workspace", "acme"])
    done = nasflow(tmp_path, *verb.split(), *arguments, "--weights", "coco", NASFLOW_COCO_WEIGHTS_URL=server.url)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: --accept-licence: weights coco have a licence ({COCO_LICENCE}); read it, and set this if you "
        "accept it, got False\n"
    )
    assert server.requests == []
    assert not (tmp_path / "run").exists()


def test_train_refuses_a_file_with_another_sha256(export: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    path.write_bytes(b"weights")
    done = nasflow(tmp_path, "train", export, "--out", tmp_path / "run", "--weights", path, "--weights-sha256", SHA)
    assert done.returncode == 2
    assert f"--weights {path}: SHA-256 is {file_sha256(path)}, not {SHA}" in done.stderr


def test_train_starts_from_a_checkpoint_of_80_classes(export: Path, tmp_path: Path) -> None:
    """All but the class heads, after a cut connection."""
    checkpoint = write_checkpoint(tmp_path / "checkpoint.pth")
    sha256 = file_sha256(checkpoint)
    arguments = ["--weights", "coco", "--accept-licence", "--weights-sha256", sha256, *TINY, "--json"]
    with FileServer(checkpoint.read_bytes(), Trouble(cuts=[30_000_000])) as server:
        first = nasflow(
            tmp_path, "train", export, "--out", tmp_path / "a", *arguments, NASFLOW_COCO_WEIGHTS_URL=server.url
        )
    assert first.returncode == 0, first.stderr
    assert server.ranges() == [None, "bytes=30000000-"]
    start = json.loads(first.stdout)["start"]
    assert (start["source"], start["sha256"]) == (f"{server.url}/yolo_nas_s_coco.pth", sha256)
    assert start["licence"] == COCO_LICENCE
    assert start["loaded"] == (
        "915 of 921 tensors kept; class names unknown; heads random, the file has none for as many classes"
    )
