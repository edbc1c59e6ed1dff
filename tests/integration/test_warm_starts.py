"""Initial weights from a real store or a disk: missing ones are refused before anything needs a GPU."""

import shutil
import uuid
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

from deployments.demo.cartoons import draw_export
from tasks.errors import BadRequest, BadWeights, StoreUnavailable
from tasks.labeling.in_store import check_to_store, export_to_store
from tasks.local.files import file_sha256
from tasks.records import RetrainRequest, SnapshotRef, SplitCounts, TrainedModel, TrainJob
from tasks.settings import RoboflowSettings, StoreSettings, WorkSettings
from tasks.storage import keys
from tasks.storage.s3 import Store
from tasks.training.initial_weights import MIN_BYTES, fetch_weights, require_in_store
from tasks.training.spec import plan
from tasks.training.task import plan_training
from tasks.training.training_in_store import train_in_store
from tests.fakes.lease_holders import holder

SHA, OTHER = "1" * 64, "2" * 64
SNAPSHOT = SnapshotRef(
    snapshot_digest=SHA, classes=("cat",), findings=(),
    splits={split: SplitCounts(images=2, boxes=2, background=0) for split in ("train", "valid")},
)  # fmt: skip


def request(**values: Any) -> RetrainRequest:
    return RetrainRequest(project="pets", export="store://x", **values)


def job_from(weights: str, sha256: str) -> TrainJob:
    return plan(request(weights=weights, weights_sha256=sha256), SNAPSHOT, None)


def write(path: Path, content: bytes = b"weights") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


# Planning, on the light worker -----------------------------------------------------------------------


def test_weights_in_the_store_are_accepted(store: Store, tmp_path: Path) -> None:
    store.upload(write(tmp_path / "big", bytes(MIN_BYTES)), "incoming/big")
    require_in_store(store, job_from("store://incoming/big", OTHER))


@pytest.mark.parametrize("job", [plan(request(), SNAPSHOT, None), job_from("/only/the/gpu/worker/sees.pth", OTHER)])
def test_weights_outside_the_store_need_no_request(store_settings: StoreSettings, job: TrainJob) -> None:
    require_in_store(Store(store_settings.model_copy(update={"endpoint": "http://127.0.0.1:9"})), job)


def test_a_missing_key_is_a_bad_request(store_settings: StoreSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The step itself refuses it, before it starts a run of the train deployment."""
    for name, value in store_settings.model_dump(mode="json").items():
        monkeypatch.setenv(f"NASFLOW_STORE_{name}".upper(), str(value or ""))
    monkeypatch.setenv("NASFLOW_STORE_SECRET_ACCESS_KEY", store_settings.secret_access_key.get_secret_value())
    with pytest.raises(BadRequest, match=r"^weights store://no/such: s3://.*no/such: no such object; check the key$"):
        plan_training.fn(request(weights="store://no/such", weights_sha256=OTHER), SNAPSHOT, None)


@pytest.mark.parametrize("key", ["", "/", "incoming/", "incoming/card.json/x"])
def test_a_key_without_an_object_is_a_bad_request(store: Store, key: str) -> None:
    store.put("incoming/card.json", b"{}")
    with pytest.raises(BadRequest, match=f"weights store://{key}: .*check the key"):
        require_in_store(store, job_from(f"store://{key}", OTHER))


@pytest.mark.parametrize("size", [0, 130, MIN_BYTES - 1])
def test_an_object_too_small_for_weights_is_a_bad_request(store: Store, size: int) -> None:
    store.put("incoming/small", bytes(size))
    with pytest.raises(
        BadRequest, match=f"weights store://incoming/small: {size} bytes are no YOLO-NAS.*check the key"
    ):
        require_in_store(store, job_from("store://incoming/small", OTHER))


def test_a_store_that_does_not_answer_is_unavailable(store_settings: StoreSettings) -> None:
    unavailable = Store(store_settings.model_copy(update={"endpoint": "http://127.0.0.1:9"}))
    with pytest.raises(StoreUnavailable):
        require_in_store(unavailable, job_from("store://incoming/x", OTHER))


# On the training worker --------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["incoming/best", "incoming/best.pth", "models/x/000001/weights.safetensors"])
def test_weights_are_fetched_once(store: Store, tmp_path: Path, key: str) -> None:
    file = write(tmp_path / "weights")
    store.upload(file, key)
    job = job_from(f"store://{key}", file_sha256(file))
    path = fetch_weights(store, job, tmp_path / "cache")
    assert path is not None
    assert path.read_bytes() == b"weights"
    store.delete([key])
    assert fetch_weights(store, job, tmp_path / "cache") == path


def test_a_fetched_file_that_was_damaged_is_fetched_again(store: Store, tmp_path: Path) -> None:
    file = write(tmp_path / "weights")
    store.upload(file, "incoming/best")
    job = job_from("store://incoming/best", file_sha256(file))
    path = fetch_weights(store, job, tmp_path / "cache")
    assert path is not None
    path.write_bytes(b"weigh")
    assert fetch_weights(store, job, tmp_path / "cache") == path
    assert path.read_bytes() == b"weights"


def assert_refused_before_training(store: Store, job: TrainJob, folder: Path, words: str) -> None:
    """Refused before the lease is taken, so before the images are fetched and the trainer takes the GPU."""
    with pytest.raises(BadWeights, match=words) as raised:
        train_in_store(store, job, holder("one"), WorkSettings(work_dir=folder / "work"), lambda event: None)
    assert "\n" not in str(raised.value)
    assert store.list(keys.run(job.spec.digest)) == []
    assert not (folder / "work" / "blobs").exists()
    assert not (folder / "work" / "runs").exists()


@pytest.mark.parametrize(
    ("name", "words"), [("none.pth", "No such file"), (".", "Is a directory"), ("x" * 300, "File name too long")]
)
def test_a_path_without_a_file_is_refused_before_training(store: Store, tmp_path: Path, name: str, words: str) -> None:
    path = tmp_path / name
    assert_refused_before_training(
        store, job_from(str(path), OTHER), tmp_path, f"{words}.*on this worker; correct the path"
    )


def test_a_file_with_another_sha256_is_refused_before_training(store: Store, tmp_path: Path) -> None:
    path = write(tmp_path / "weights.pth")
    words = f"weights {path}: SHA-256 is {file_sha256(path)}, expected {OTHER}; fetch the file again, or correct"
    assert_refused_before_training(store, job_from(str(path), OTHER), tmp_path, words)


def test_a_missing_key_is_refused_before_training(store: Store, tmp_path: Path) -> None:
    words = "weights store://no/such: .*no such object; check the key"
    assert_refused_before_training(store, job_from("store://no/such", OTHER), tmp_path, words)


def test_an_object_with_another_sha256_is_refused_before_training(store: Store, tmp_path: Path) -> None:
    stored = store.upload(write(tmp_path / "weights"), "incoming/best")
    words = f"weights store://incoming/best: .* SHA-256 {stored.sha256}, .* {OTHER}; check the key, or correct"
    assert_refused_before_training(store, job_from("store://incoming/best", OTHER), tmp_path, words)
    assert list((tmp_path / "work" / "weights").iterdir()) == []


# Whole runs --------------------------------------------------------------------------------------------


class Runs:
    """Runs of one step on the same images."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store, self.folder = store, folder
        draw_export(folder / "labels", 1, train=2, valid=1, test=0, size=64)
        fetched = export_to_store(
            store, RetrainRequest(project="pets", export=str(folder / "labels")), RoboflowSettings, folder / "scratch"
        )
        self.snapshot = check_to_store(store, fetched, folder / "scratch")

    def train(self, **values: object) -> TrainedModel:
        job = plan(request(epochs=1, image_size=64, batch_size=2, **values), self.snapshot, None)
        work = self.folder / uuid.uuid4().hex
        model = train_in_store(self.store, job, holder("one"), WorkSettings(work_dir=work), lambda event: None)
        shutil.rmtree(work)
        return model

    def licence(self, model: TrainedModel) -> str | None:
        path = self.folder / f"{uuid.uuid4().hex}"
        self.store.download(model.weights, path)
        with safe_open(path, framework="pt") as file:
            return file.metadata().get("licence")


@pytest.fixture
def runs(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return Runs(store, tmp_path)


def test_source_sha256_and_licence_of_initial_weights_are_recorded(store: Store, runs: Runs, tmp_path: Path) -> None:
    first = runs.train()
    assert (first.result.start, runs.licence(first)) == (None, None)

    # The file is uploaded under another key, and the request names its licence.
    store.download(first.weights, tmp_path / "first")
    store.upload(tmp_path / "first", "incoming/yolo")
    second = runs.train(
        weights="store://incoming/yolo", weights_sha256=first.weights.sha256, weights_licence="CC BY 4.0"
    )
    start = second.result.start
    assert start is not None
    assert (start.source, start.sha256) == ("store://incoming/yolo", first.weights.sha256)
    assert (start.licence, runs.licence(second)) == ("CC BY 4.0", "CC BY 4.0")
    assert (start.loaded or "").startswith("921 of 921 tensors kept")

    # A run that starts from that model inherits the licence.
    third = runs.train(weights=f"store://{second.weights.key}", weights_sha256=second.weights.sha256)
    assert third.result.start is not None
    assert (third.result.start.licence, runs.licence(third)) == ("CC BY 4.0", "CC BY 4.0")
