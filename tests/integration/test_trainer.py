"""The trainer process, run for real on drawings of 64 pixels: what it writes and tells, killed, stopped and misled."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tasks.local.files import file_sha256
from tasks.records import DatasetSnapshot, Speed, Split, StartWeights, TrainingResult, TrainingSpec
from tasks.training.contract import files
from tasks.training.contract.job import DetectionWork, InitialWeights, TrainingWork, write_job
from tasks.training.speed_measures import with_speed_measures
from tests.fakes.datasets import make_spec, write_dataset
from tests.fakes.trainer import EVERY_STEP, Trainer, detect, run, training

STEPS = 4
"""Steps of an epoch: 8 images, 2 a step."""


class Job(NamedTuple):
    """A dataset folder, a spec for it, and what a run of it came to."""

    data: Path
    spec: TrainingSpec
    snapshot: DatasetSnapshot
    out: Path
    trainer: Trainer

    def into(self, out: Path, **values: object) -> TrainingWork:
        """The same run in another folder."""
        return training(self.spec, self.data, out, **values)


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A run of three epochs that nobody disturbs."""
    folder = tmp_path_factory.mktemp("job")
    snapshot = write_dataset(folder / "data")
    spec = make_spec(snapshot, seed=2)
    trainer = run(folder, training(spec, folder / "data", folder / "out"))
    return Job(folder / "data", spec, snapshot, folder / "out", trainer)


@pytest.fixture(scope="module")
def stopped(job: Job, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Trainer]:
    """A run that SIGTERM stopped in the middle of its first epoch."""
    out = tmp_path_factory.mktemp("stopped") / "out"
    with Trainer(out.parent, job.into(out)) as trainer:
        trainer.until(lambda: trainer.events_of("step"))
        trainer.process.send_signal(signal.SIGTERM)
        trainer.ended()
    return out, trainer


def curve(out: Path) -> list[dict]:
    """The history without its wall times."""
    return [line.model_dump(exclude={"seconds"}) for line in files.read_history(out / files.HISTORY)]


def state_of(out: Path) -> dict[str, tuple[int, str]]:
    """Time and content of every file."""
    return {str(p): (p.stat().st_mtime_ns, file_sha256(p)) for p in out.rglob("*") if p.is_file()}


def metadata_of(weights: Path) -> dict[str, str]:
    with safe_open(weights, framework="pt") as file:
        return file.metadata()


def assert_refused(trainer: Trainer, code: int, *words: str) -> None:
    """It ended with ``code`` and one line that says ``words``, on stderr and as an event, without a traceback."""
    assert trainer.process.returncode == code, trainer.stderr[-2000:]
    assert "Traceback" not in trainer.stderr
    error = trainer.events[-1]
    assert (error["event"], error["exit_code"]) == ("error", code)
    assert "\n" not in error["message"]
    assert trainer.stderr.splitlines()[-1] == f"{error['kind']}: {error['message']}"
    for word in words:
        assert word in error["message"]


# What a run gives ----------------------------------------------------------------------------------


def test_run_writes_its_files(job: Job) -> None:
    assert job.trainer.process.returncode == 0, job.trainer.stderr[-2000:]
    history = files.read_history(job.out / files.HISTORY)
    assert [line.epoch for line in history] == [1, 2, 3]
    assert all(set(line.losses) == set(line.valid_losses) == {"class", "iou", "dfl", "total"} for line in history)
    assert all(line.losses["total"] > 0 for line in history)
    result = files.read_result(job.out, job.spec)
    assert result is not None
    assert (result.epochs_done, result.ended, result.resumed_from_epoch) == (3, "epochs", None)
    assert result.weights_sha256 == file_sha256(job.out / files.BEST)
    best = max(history, key=lambda line: (line.map, -line.valid_losses["total"]))
    assert (result.best_epoch, result.best_map) == (best.epoch, best.map)
    metadata = metadata_of(job.out / files.BEST)
    assert json.loads(metadata["classes"]) == list(job.spec.classes)
    assert (metadata["epoch"], metadata["run_key"]) == (str(best.epoch), job.spec.digest)
    assert (metadata["variant"], metadata["image_size"], metadata["channels"]) == ("s", "64", "RGB")
    known = {files.FIT, files.HISTORY, files.BEST, files.RESULT, ".lock", "sg_logs"}
    assert {path.name for path in job.out.iterdir()} == known


def test_run_tells_how_far_it_is(job: Job) -> None:
    events = job.trainer.events
    kinds = [event["event"] for event in events if event["event"] not in ("step", "checkpoint")]
    assert kinds == ["plan", "started", *["epoch"] * 3, "finished"]
    assert events[1]["resumed_from_epoch"] is None
    steps = job.trainer.events_of("step")
    assert steps
    assert all(0 < step["step"] <= step["steps"] == STEPS and step["seconds_left"] >= 0 for step in steps)
    epochs = job.trainer.events_of("epoch")
    assert [epoch["epoch"] for epoch in epochs] == [1, 2, 3]
    assert epochs[0]["seconds_left"] > epochs[1]["seconds_left"] > epochs[2]["seconds_left"] == 0
    assert not job.trainer.events_of("checkpoint"), "the whole run takes no minute"
    plan = events[0]
    assert plan["device"].startswith("cpu ")
    assert (plan["batch_size"], plan["micro_batch"], plan["devices"], plan["shortages"]) == (2, 2, 1, [])
    assert {"python", "torch", "super-gradients", "nasflow"} <= plan["versions"].keys()
    assert len(steps) == 3 * STEPS
    assert all(step["step_images_per_second"] > 0 for step in steps)
    assert all(epoch["peak_memory_bytes"] > 100_000_000 for epoch in epochs)
    assert TrainingResult.model_validate(events[-1]["result"]) == files.read_result(job.out, job.spec)


def test_run_keeps_stdout_and_home_clean(job: Job) -> None:
    assert "{" not in job.trainer.stdout
    assert not job.trainer.home.exists()


def test_speed_measures_change_no_bit_of_the_weights(job: Job, tmp_path: Path) -> None:
    """The job ran without them, and as a fork of a process with everything imported; this trainer starts cold."""
    assert "GLIBC_TUNABLES" not in os.environ
    write_job(tmp_path / "job.json", job.into(tmp_path / "out"))
    command = [sys.executable, "-m", "tasks.training.worker", f"--job={tmp_path / 'job.json'}"]
    environment = with_speed_measures({**os.environ, "OMP_NUM_THREADS": "1"})
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert file_sha256(tmp_path / "out" / files.BEST) == file_sha256(job.out / files.BEST)


def test_same_command_after_the_end_changes_nothing(job: Job, tmp_path: Path) -> None:
    before = state_of(job.out)
    again = run(tmp_path, job.into(job.out))
    assert again.process.returncode == 0
    assert state_of(job.out) == before
    assert again.events[-1] | {"time": 0} == job.trainer.events[-1] | {"time": 0}


# What detection gives ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def detected(job: Job, tmp_path_factory: pytest.TempPathFactory) -> tuple[Trainer, Path]:
    """Weights that find something on every processor, on both splits: three images and eight, a batch each."""
    folder = tmp_path_factory.mktemp("detected")
    weights = {
        name: tensor + 4 if name.endswith("cls_pred.bias") else tensor
        for name, tensor in load_file(job.out / files.BEST).items()
    }
    save_file(weights, folder / files.BEST, metadata_of(job.out / files.BEST))
    return detect(folder, folder / files.BEST, job.data, "valid", "train")


@pytest.mark.parametrize(("split", "images"), [("valid", 3), ("train", 8)])
def test_detect_gives_coco_results_for_each_split(detected: tuple[Trainer, Path], split: Split, images: int) -> None:
    trainer, out = detected
    assert trainer.process.returncode == 0, trainer.stderr[-2000:]
    found = json.loads((out / files.detections(split)).read_text())
    assert {row["image_id"] for row in found} <= set(range(1, images + 1))
    assert max(row["image_id"] for row in found) > (3 if split == "train" else 0)
    assert {row["category_id"] for row in found} <= {1, 2}
    for row in found:
        x, y, width, height = row["bbox"]
        assert 0 <= x <= x + width <= 64.01
        assert 0 <= y <= y + height <= 64.01


def test_detect_tells_how_far_it_is_over_all_splits(detected: tuple[Trainer, Path]) -> None:
    trainer, out = detected
    assert [(batch["done"], batch["total"]) for batch in trainer.events_of("batches")] == [(1, 2), (2, 2)]
    assert trainer.events[-1]["event"] == "finished"
    written = [json.loads((out / files.detections(split)).read_text()) for split in ("valid", "train")]
    assert sum(map(len, written)) > 0
    assert {row["image_id"] for row in written[1]} <= set(range(1, 9))
    assert {path.name for path in out.iterdir()} == {"valid.json", "train.json", files.SPEED, "sg_logs"}


def test_detect_measures_the_speed(job: Job, detected: tuple[Trainer, Path]) -> None:
    speed = Speed.model_validate_json((detected[1] / files.SPEED).read_bytes())
    assert speed.device in ("cpu bf16", "cpu fp32")
    assert 0 < speed.latency_ms <= speed.latency_p95_ms < 60_000
    assert speed.throughput > 0
    assert speed.batch == 16
    weights = job.out / files.BEST
    counted = ("running_mean", "running_var", "num_batches_tracked")
    learned = [tensor for name, tensor in load_file(weights).items() if not name.endswith(counted)]
    assert speed.parameters == sum(tensor.numel() for tensor in learned)
    assert speed.file_bytes == weights.stat().st_size


def test_detect_that_is_stopped_writes_nothing(job: Job, tmp_path: Path) -> None:
    """Stopped when all images are done, while it measures the speed."""
    out = tmp_path / "found"
    work = DetectionWork(data=job.data, out=out, weights=job.out / files.BEST, splits=("valid", "train"))
    with Trainer(tmp_path, work) as trainer:
        trainer.until(lambda: len(trainer.events_of("batches")) == 2)
        trainer.process.send_signal(signal.SIGTERM)
        trainer.ended()
    assert_refused(trainer, 4, "stopped on request", "nothing was written")
    assert {path.name for path in out.iterdir()} == {"sg_logs"}


def test_detect_refuses_a_split_without_images(job: Job, tmp_path: Path) -> None:
    trainer, out = detect(tmp_path, job.out / files.BEST, job.data, "test", "valid")
    assert_refused(trainer, 2, "no images in test, there are some in train, valid")
    assert not out.exists()


# Detection after training ---------------------------------------------------------------------------


@pytest.fixture
def finds_something(detected: tuple[Trainer, Path], job: Job, tmp_path: Path) -> TrainingWork:
    """A run that starts from weights that find something, and detects at its end."""
    weights = detected[1].parent / files.BEST
    changes = {"epochs": 1, "learning_rate": 1e-6, "weights_sha256": file_sha256(weights)}
    start = InitialWeights(file=weights, source=str(weights))
    spec = job.spec.model_copy(update=changes)
    return training(spec, job.data, tmp_path / "out", weights=start, detect=("valid", "train"))


def test_a_trainer_detects_what_detect_does(job: Job, finds_something: TrainingWork, tmp_path: Path) -> None:
    trainer = run(tmp_path, finds_something)
    assert trainer.process.returncode == 0, trainer.stderr[-2000:]
    assert [(event["done"], event["total"]) for event in trainer.events_of("batches")] == [(1, 2), (2, 2)]
    assert trainer.events[-1]["event"] == "finished"
    found = tmp_path / "out" / files.DETECTED
    _, apart = detect(tmp_path / "apart", tmp_path / "out" / files.BEST, job.data, "valid", "train")
    for split in ("valid", "train"):
        rows = json.loads((found / files.detections(split)).read_text())
        assert rows == json.loads((apart / files.detections(split)).read_text())
        assert rows
    after, later = (Speed.model_validate_json((folder / files.SPEED).read_bytes()) for folder in (found, apart))
    assert (after.device, after.parameters, after.file_bytes) == (later.device, later.parameters, later.file_bytes)


def test_a_trainer_stopped_while_it_detects_has_its_model(finds_something: TrainingWork, tmp_path: Path) -> None:
    with Trainer(tmp_path, finds_something) as trainer:
        trainer.until(lambda: len(trainer.events_of("batches")) == 2)
        trainer.process.send_signal(signal.SIGTERM)
        trainer.ended()
    assert_refused(trainer, 4, "stopped on request; the model is finished")
    assert not (tmp_path / "out" / files.DETECTED).exists()
    again = run(tmp_path, finds_something)
    assert [event["event"] for event in again.events] == ["finished"]
    assert again.events[0]["result"]["weights_sha256"] == file_sha256(tmp_path / "out" / files.BEST)


# Killed and stopped --------------------------------------------------------------------------------


def test_killed_run_goes_on_as_if_nothing_had_been(job: Job, tmp_path: Path) -> None:
    """SIGKILL in a step, between last.ckpt and best.safetensors, in a later step and while last.ckpt is written.

    The histories are equal to the last digit, not only close.
    """
    out = tmp_path / "out"

    with Trainer(tmp_path, job.into(out)) as first:
        first.until(lambda: first.events_of("step"))
    assert not (out / files.LAST).exists()

    with Trainer(tmp_path, job.into(out, **EVERY_STEP)) as second:
        second.until(lambda: any(save["epochs_done"] == 1 for save in second.events_of("checkpoint")))
    assert second.events_of("started")[0]["resumed_from_epoch"] is None
    assert (out / files.LAST).exists()
    (out / files.BEST).unlink(missing_ok=True)  # there only if the kill came late; it is written whole or not at all
    kept = file_sha256(out / files.LAST)

    with Trainer(tmp_path, job.into(out)) as third:
        third.until(lambda: third.events_of("step"))
    assert third.events_of("started")[0]["resumed_from_epoch"] == 1
    assert metadata_of(out / files.BEST)["epoch"] == "1"

    with Trainer(tmp_path, job.into(out, **EVERY_STEP)) as fourth:
        fourth.until(lambda: list(out.glob(f".{files.LAST}.*.tmp")))
    assert list(out.glob(f".{files.LAST}.*.tmp"))
    assert file_sha256(out / files.LAST) == kept

    # A rival in the same folder waits for the one that works, and then has nothing to do.
    with Trainer(tmp_path, job.into(out)) as last:
        last.until(lambda: last.events_of("started"))
        with Trainer(tmp_path, job.into(out)) as rival:
            assert last.ended() == 0, last.stderr[-2000:]
            finished = state_of(out)
            assert rival.ended() == 0, rival.stderr[-2000:]
    assert last.events_of("started")[0]["resumed_from_epoch"] == 1
    assert not list(out.glob(".*.tmp"))
    assert curve(out) == curve(job.out)
    result, undisturbed = (files.read_result(folder, job.spec) for folder in (out, job.out))
    assert result.resumed_from_epoch == 1
    assert result.best_epoch == undisturbed.best_epoch
    assert_same_tensors(out / files.BEST, job.out / files.BEST)
    assert state_of(out) == finished
    assert rival.events[-1] | {"time": 0} == last.events[-1] | {"time": 0}
    assert not rival.events_of("started")


def test_stopped_run_goes_on_at_that_very_step(job: Job, stopped: tuple[Path, Trainer], tmp_path: Path) -> None:
    """SIGTERM, then the end of stdin: both stop it with a checkpoint, and the history is equal to the last digit."""
    assert_refused(stopped[1], 4, "stopped on request", "run the same again")
    by_signal = stopped[1].events_of("checkpoint")[-1]
    assert by_signal["epochs_done"] == 0
    assert 0 < by_signal["steps_done"] < STEPS
    out = tmp_path / "out"
    shutil.copytree(stopped[0], out)

    with Trainer(tmp_path, job.into(out), "--stop-with-parent") as orphan:
        orphan.until(lambda: orphan.events_of("step"))
        orphan.process.stdin.close()
        orphan.ended()
    assert_refused(orphan, 4, "stopped on request")
    by_parent = orphan.events_of("checkpoint")[-1]
    assert (by_parent["epochs_done"], by_parent["steps_done"]) > (0, by_signal["steps_done"])

    last = run(tmp_path, job.into(out))
    assert last.process.returncode == 0, last.stderr[-2000:]
    assert curve(out) == curve(job.out)
    assert_same_tensors(out / files.BEST, job.out / files.BEST)


def assert_same_tensors(one: Path, other: Path) -> None:
    first, second = load_file(one), load_file(other)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


# Refused -------------------------------------------------------------------------------------------


def test_truncated_checkpoint(job: Job, stopped: tuple[Path, Trainer], tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / files.LAST).write_bytes((stopped[0] / files.LAST).read_bytes()[:100_000])
    assert_refused(run(tmp_path, job.into(out)), 2, files.LAST, "not a readable checkpoint", "remove it")


@pytest.mark.parametrize(
    ("changes", "dataset", "words"),
    [
        ({"snapshot_digest": "0" * 64}, {}, ["is for snapshot 000000000000", "take the folder"]),
        ({"classes": ("square", "disc")}, {}, ["the spec has classes", "plan the spec again"]),
        ({}, {"valid_objects": 0}, ["split valid has no labelled boxes"]),
        ({}, {"objects": 0}, ["split train has no labelled boxes"]),
        ({}, {"classes": ["disc"]}, ["train0.png (train)", "class index 1", "1 classes"]),
        ({"weights_sha256": "0" * 64}, {}, ["go together"]),
    ],
)
def test_cases_b5_b8_spec_that_does_not_fit_its_data(
    tmp_path: Path, changes: dict, dataset: dict, words: list[str]
) -> None:
    snapshot = write_dataset(tmp_path / "data", 2, 1, **dataset)
    work = training(make_spec(snapshot, **changes), tmp_path / "data", tmp_path / "out")
    assert_refused(run(tmp_path, work), 2, *words)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", ["not JSON", "correct the job"]),
        ('{"kind": "train", "epochs": 0}', ["data: Field required", "correct the job"]),
        ('{"kind": "rest"}', ["kind: ", "'train', 'detect', 'export'"]),
        (
            '{"contract": 999}',
            ["follows contract 999", "nasflow was exchanged while its worker ran", "start the worker"],
        ),
        (None, ["No such file"]),
    ],
)
def test_broken_job(tmp_path: Path, content: str | None, words: list[str]) -> None:
    if content is not None:
        (tmp_path / "job.json").write_text(content)
    assert_refused(run(tmp_path, tmp_path / "job.json"), 2, "job.json", *words)


def test_no_dataset_folder(job: Job, tmp_path: Path) -> None:
    trainer = run(tmp_path, training(job.spec, tmp_path / "none", tmp_path / "out"))
    assert_refused(trainer, 2, "no snapshot.json")


def test_a_stop_ends_with_the_step_under_way(tmp_path: Path) -> None:
    """One step more may begin before the signal arrives, and its event may come after that."""
    snapshot = write_dataset(tmp_path / "data", 24, 2, size=160)
    spec = make_spec(snapshot, image_size=160, batch_size=8, epochs=50)
    with Trainer(tmp_path, training(spec, tmp_path / "data", tmp_path / "out")) as trainer:
        trainer.until(lambda: trainer.events_of("step"))
        before = len(trainer.events_of("step"))
        trainer.process.send_signal(signal.SIGTERM)
        assert trainer.ended() == 4, trainer.stderr[-2000:]
    assert len(trainer.events_of("step")) <= before + 2
    assert (tmp_path / "out" / files.LAST).exists()


# Starting weights ----------------------------------------------------------------------------------


class Start(NamedTuple):
    """A run of one step from given weights."""

    trainer: Trainer
    spec: TrainingSpec
    out: Path

    @property
    def log(self) -> str:
        return self.trainer.events_of("log")[0]["message"]


def start_from(weights: Path, folder: Path, sha256: str | None = None, **dataset: Any) -> Start:
    snapshot = write_dataset(folder / "data", 2, 1, **dataset)
    spec = make_spec(snapshot, epochs=1, seed=5, weights_sha256=sha256 or file_sha256(weights))
    start = InitialWeights(file=weights, source="store://models/one", licence="CC BY 4.0")
    return Start(run(folder, training(spec, folder / "data", folder / "out", weights=start)), spec, folder / "out")


def test_weights_of_the_same_classes_load_whole(job: Job, tmp_path: Path) -> None:
    start = start_from(job.out / files.BEST, tmp_path)
    assert start.trainer.process.returncode == 0, start.trainer.stderr[-2000:]
    assert start.log == "best.safetensors: 921 of 921 tensors kept; class rows: 2 of 2 by name (disc, square)"
    # One step of the learning rate moves no weight by more than twice of it.
    before, after = load_file(job.out / files.BEST), load_file(start.out / files.BEST)
    name = "heads.head1.cls_pred.weight"
    result = files.read_result(start.out, start.spec)
    assert result is not None
    assert result.start == StartWeights(
        source="store://models/one", sha256=file_sha256(job.out / files.BEST), licence="CC BY 4.0",
        loaded=start.log.partition(": ")[2],
    )  # fmt: skip
    assert metadata_of(start.out / files.BEST)["licence"] == "CC BY 4.0"
    assert (before[name] - after[name]).abs().max() <= 2 * 5e-4


def test_weights_in_a_file_of_super_gradients_with_fewer_classes(job: Job, tmp_path: Path) -> None:
    weights = tmp_path / "ckpt_best.pth"
    torch.save({"net": load_file(job.out / files.BEST), "epoch": 3, "acc": torch.tensor(0.5)}, weights)
    start = start_from(weights, tmp_path, classes=("disc", "square", "star"))
    assert start.trainer.process.returncode == 0, start.trainer.stderr[-2000:]
    assert start.log.startswith("ckpt_best.pth: 915 of 921 tensors kept; class names unknown; heads random")
    assert load_file(start.out / files.BEST)["heads.head1.cls_pred.weight"].shape[0] == 3


def test_weights_with_another_sha256(job: Job, tmp_path: Path) -> None:
    start = start_from(job.out / files.BEST, tmp_path, sha256="0" * 64)
    assert_refused(start.trainer, 2, "SHA-256 is", "expected 000")


def test_weights_that_are_not_there(job: Job, tmp_path: Path) -> None:
    start = start_from(tmp_path / "none.safetensors", tmp_path, sha256="0" * 64)
    assert_refused(start.trainer, 2, "no such file")


def test_weights_that_cannot_be_used(job: Job, tmp_path: Path) -> None:
    own, bias = load_file(job.out / files.BEST), "heads.head1.reg_pred.bias"
    weights = tmp_path / "weights.safetensors"
    save_file({**own, bias: torch.full_like(own[bias], float("nan"))}, weights)
    start = start_from(weights, tmp_path)
    assert_refused(start.trainer, 2, "no finite numbers")
    assert not (start.out / files.LAST).exists()


# Not learning, and too little memory ---------------------------------------------------------------


def test_loss_that_is_no_number_leaves_the_checkpoint(job: Job, stopped: tuple[Path, Trainer], tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    content = torch.load(stopped[0] / files.LAST, weights_only=True)
    content["network"]["numbers"].fill_(float("nan"))
    torch.save(content, out / files.LAST)
    before = file_sha256(out / files.LAST)
    trainer = run(tmp_path, job.into(out))
    assert_refused(trainer, 5, "no finite number", "lower the learning rate")
    assert file_sha256(out / files.LAST) == before


def test_a_checkpoint_with_weights_in_another_order_is_refused(
    job: Job, stopped: tuple[Path, Trainer], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    content = torch.load(stopped[0] / files.LAST, weights_only=True)
    torch.save(content | {"layout": "0" * 64}, out / files.LAST)
    before = file_sha256(out / files.LAST)
    assert_refused(run(tmp_path, job.into(out)), 2, str(out), "stand in another order", "take another folder")
    assert file_sha256(out / files.LAST) == before
    assert not (out / files.BEST).exists()


def test_divergence(tmp_path: Path) -> None:
    """Six steps in an epoch: enough for five bad ones in a row."""
    snapshot = write_dataset(tmp_path / "data", 12, 1)
    spec = make_spec(snapshot, learning_rate=1e30)
    trainer = run(tmp_path, training(spec, tmp_path / "data", tmp_path / "out"))
    seen = ("since 5 steps, in epoch 1", "last learning rate 8.83e+29", "boxes with sides from", "in train")
    assert_refused(trainer, 5, "no finite number", *seen, "lower the learning rate (1e+30)")
    assert not (tmp_path / "out" / files.LAST).exists()
