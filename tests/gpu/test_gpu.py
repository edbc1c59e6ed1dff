"""The trainer on a GPU. Marked ``gpu``: these run where there is one, and skip elsewhere."""

import signal
from pathlib import Path

import pytest

from tasks.records import Speed, TrainingResult
from tasks.training.contract import files
from tasks.training.contract.job import TrainingWork
from tests.fakes.datasets import make_spec, write_dataset
from tests.fakes.trainer import Trainer, detect, run, training

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def gpus(monkeypatch: pytest.MonkeyPatch) -> int:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no GPU here")
    monkeypatch.setattr("tests.fakes.trainer.WARM_START", False)
    return torch.cuda.device_count()


def work_in(
    folder: Path, *, train: int = 8, changes: dict[str, object] | None = None, **values: object
) -> TrainingWork:
    """A run in a folder: how many images, changes of the spec, and fields of the job or of its machine."""
    snapshot = write_dataset(folder / "data", train, 4)
    return training(make_spec(snapshot, **changes or {}), folder / "data", folder / "out", **values)


def result_of(work: TrainingWork) -> TrainingResult:
    result = files.read_result(work.out, work.spec)
    assert result is not None
    return result


@pytest.mark.parametrize("precision", ["bf16", "fp16", "fp32"])
def test_trains_in_each_precision(tmp_path: Path, precision: str) -> None:
    work = work_in(tmp_path, precision=precision)
    done = run(tmp_path, work)
    assert done.process.returncode == 0, done.stderr[-3000:]
    result = result_of(work)
    assert result.device.startswith("cuda ")
    assert result.peak_memory_bytes


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_a_killed_run_ends_in_the_same_bytes(tmp_path: Path, precision: str) -> None:
    whole = work_in(tmp_path, changes={"epochs": 4}, precision=precision)
    assert run(tmp_path, whole).process.returncode == 0
    killed = whole.model_copy(update={"out": tmp_path / "killed"})
    with Trainer(tmp_path, killed) as trainer:
        trainer.until(lambda: len(trainer.events_of("epoch")) == 2)
        trainer.process.send_signal(signal.SIGKILL)
        trainer.ended()
    assert run(tmp_path, killed).process.returncode == 0
    assert result_of(killed).weights_sha256 == result_of(whole).weights_sha256


def test_a_batch_that_no_gpu_holds_is_taken_in_pieces(tmp_path: Path) -> None:
    """256 images of 1280 pixels: some 500 GB of activations."""
    work = work_in(tmp_path, train=256, changes={"image_size": 1280, "batch_size": 256, "epochs": 1})
    done = run(tmp_path, work)
    assert done.process.returncode == 0, done.stderr[-3000:]
    result = result_of(work)
    assert result.micro_batch is not None
    assert result.micro_batch < 256
    assert "the GPU's memory was tried" in result.shortages[0]


def test_all_gpus_share_a_run(tmp_path: Path, gpus: int) -> None:
    if gpus < 2:
        pytest.skip("one GPU here")
    work = work_in(tmp_path, devices=gpus)
    done = run(tmp_path, work)
    assert done.process.returncode == 0, done.stderr[-3000:]
    assert result_of(work).devices == gpus


def test_more_gpus_than_there_are(tmp_path: Path, gpus: int) -> None:
    done = run(tmp_path, work_in(tmp_path, devices=gpus + 1))
    assert done.process.returncode == 2
    assert f"this machine has {gpus} GPUs" in done.events[-1]["message"]


def test_detects(tmp_path: Path) -> None:
    import torch

    assert run(tmp_path, work_in(tmp_path)).process.returncode == 0
    done, out = detect(tmp_path, tmp_path / "out" / files.BEST, tmp_path / "data", "valid")
    assert done.process.returncode == 0, done.stderr[-3000:]
    assert (out / files.detections("valid")).exists()
    speed = Speed.model_validate_json((out / files.SPEED).read_bytes())
    assert speed.device.startswith(torch.cuda.get_device_name())
    assert 0 < speed.latency_ms <= speed.latency_p95_ms
