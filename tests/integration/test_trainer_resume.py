"""A resumed run is the run: killed at random instants, moved, torn, on a full disk, it ends in the same bytes."""

import json
import os
import random
import shutil
import subprocess
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
import torch

from tasks.local.files import file_sha256
from tasks.records import DatasetSnapshot, TrainingSpec
from tasks.training.contract import files
from tasks.training.contract.job import TrainingWork
from tests.fakes.datasets import make_spec, write_dataset
from tests.fakes.small_disk import small_disk
from tests.fakes.trainer import EVERY_STEP, Trainer, run, training


class Whole(NamedTuple):
    """An uninterrupted run of epochs of four steps and two batches of validation."""

    data: Path
    spec: TrainingSpec
    snapshot: DatasetSnapshot
    out: Path

    def into(self, out: Path, **values: object) -> TrainingWork:
        """The same run in another folder."""
        return training(self.spec, self.data, out, **values)


def whole_run(folder: Path, epochs: int = 3, **values: object) -> Whole:
    snapshot = write_dataset(folder / "data", valid=11)
    spec = make_spec(snapshot, seed=3, epochs=epochs)
    whole = Whole(folder / "data", spec, snapshot, folder / "out")
    trainer = run(folder, whole.into(whole.out, **values))
    assert trainer.process.returncode == 0, trainer.stderr[-2000:]
    return whole


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    return whole_run(tmp_path_factory.mktemp("whole"))


def curve(out: Path) -> list[dict]:
    return [line.model_dump(exclude={"seconds"}) for line in files.read_history(out / files.HISTORY)]


def assert_the_same(out: Path, whole: Whole) -> None:
    assert curve(out) == curve(whole.out)
    assert file_sha256(out / files.BEST) == file_sha256(whole.out / files.BEST)
    assert not list(out.glob(".*.tmp"))


def killed_at_random(whole: Whole, out: Path, kills: int, seed: int, **values: object) -> list[int]:
    """Kill a run again and again, each time in another folder; gives the steps it had done at each start."""
    moments, starts = random.Random(seed), []
    for number in range(kills):
        with Trainer(out.parent, whole.into(out, **EVERY_STEP, **values)) as trainer:
            # Every second one gets as far as a checkpoint, however busy the machine is.
            kind = "checkpoint" if number % 2 else "started"
            trainer.until(partial(trainer.events_of, kind))
            time.sleep(moments.uniform(0, 0.5))
        begun = trainer.events_of("started")[0]
        starts.append(begun["epochs_done"] * begun["steps_per_epoch"] + begun["steps_done"])
        moved = out.with_name(f"moved-{number}")
        out.rename(moved)
        out = moved
    last = run(out.parent, whole.into(out, **values))
    assert last.process.returncode == 0, last.stderr[-2000:]
    assert_the_same(out, whole)
    return starts


def test_resume_after_ten_kills_at_random_instants(whole: Whole, tmp_path: Path) -> None:
    """In steps, validations and saves, since every step is followed by one."""
    starts = killed_at_random(whole, tmp_path / "out", 10, 5)
    assert starts == sorted(starts)
    assert starts[-1] > starts[0], "the kills came before anything was done"
    assert any(start % 4 for start in starts), "no start was in the middle of an epoch"


def test_resume_in_fp32_with_loader_workers(tmp_path: Path) -> None:
    """The uninterrupted run has no loader workers: they change nothing, either."""
    whole = whole_run(tmp_path, precision="fp32")
    killed_at_random(whole, tmp_path / "killed" / "out", 3, 6, precision="fp32", loader_workers=2)


def test_resume_from_the_checkpoint_before_a_torn_one(whole: Whole, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with Trainer(tmp_path, whole.into(out, **EVERY_STEP)) as first:
        first.until(lambda: first.events_of("epoch") and first.events_of("checkpoint")[-1]["epochs_done"] == 1)
    content = (out / files.LAST).read_bytes()
    (out / files.LAST).write_bytes(content[: len(content) // 2])
    last = run(tmp_path, whole.into(out))
    assert last.process.returncode == 0, last.stderr[-2000:]
    assert "not a readable checkpoint" in last.events_of("log")[0]["message"]
    assert "the one before it is used" in last.events_of("log")[0]["message"]
    started = last.events_of("started")[0]
    told = [(save["epochs_done"], save["steps_done"]) for save in first.events_of("checkpoint")]
    assert (started["epochs_done"], started["steps_done"]) in told[-3:]
    assert_the_same(out, whole)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """A run of one epoch with a checkpoint of its end."""
    return whole_run(tmp_path_factory.mktemp("saved"), epochs=1, **EVERY_STEP)


def test_a_checkpoint_right_after_the_best_epoch_holds_the_ema_once(saved: Whole) -> None:
    content = torch.load(saved.out / files.LAST, weights_only=True)
    assert set(content["best"]) == {"numbers", "counters"}
    assert all(content["ema"][name].data_ptr() == tensor.data_ptr() for name, tensor in content["best"].items())


@pytest.mark.parametrize("there", [files.LAST, files.RESULT])
def test_resume_of_another_spec_names_the_fields(saved: Whole, tmp_path: Path, there: str) -> None:
    """In a folder with an unfinished run, and with a finished one, which may have no checkpoint."""
    out = tmp_path / "out"
    out.mkdir()
    shutil.copy(saved.out / there, out)
    changed = saved.spec.model_copy(update={"epochs": 4, "learning_rate": 0.25})
    trainer = run(tmp_path, training(changed, saved.data, out))
    assert trainer.process.returncode == 2
    assert f"{out / there}: belongs to run {saved.spec.digest[:12]}, this spec is run " in trainer.stderr
    assert "they differ in epochs (1 there, 4 here), learning_rate (0.0005 there, 0.25 here)" in trainer.stderr
    assert file_sha256(out / there) == file_sha256(saved.out / there)
    assert not (out / files.BEST).exists()


@pytest.mark.parametrize(("size", "options"), [("500m", EVERY_STEP), ("60m", {})], ids=["checkpoint", "best weights"])
def test_resume_after_a_full_disk(whole: Whole, tmp_path: Path, size: str, options: dict[str, float]) -> None:
    """There is room for two checkpoints, not for a third one; or not for the best weights of a run of seconds."""
    with small_disk(tmp_path / "disk", size) as disk:
        out = disk / "out"
        full = run(tmp_path, whole.into(out, **options))
        assert full.process.returncode == 1, full.stderr[-2000:]
        assert full.events[-1]["kind"] == "DiskFull"
        assert "Traceback" not in full.stderr
        assert "no room to write" in full.events[-1]["message"]
        assert not list(out.glob(".*.tmp"))
        saves = full.events_of("checkpoint")
        assert bool(saves) == bool(options)
        assert [file_sha256(path) for path in out.glob(files.LAST)] == [save["sha256"] for save in saves[-1:]]
        subprocess.run(["mount", "-o", "remount,size=3g", disk], check=True)
        last = run(tmp_path, whole.into(out))
        assert last.process.returncode == 0, last.stderr[-2000:]
        assert last.events_of("started")[0]["resumed_from_epoch"] == (saves[-1]["epochs_done"] if saves else None)
        assert_the_same(out, whole)


def test_watchdog_says_where_a_trainer_hangs(whole: Whole, tmp_path: Path) -> None:
    """An image that never comes: a pipe that nobody writes to."""
    data = tmp_path / "data"
    shutil.copytree(whole.data, data)
    image = next((data / "images").rglob(f"*{whole.snapshot.of_split('train')[0].sha256}*"))
    image.unlink()
    os.mkfifo(image)
    trainer = run(tmp_path, training(whole.spec, data, tmp_path / "out", watchdog_seconds=15))
    assert trainer.process.returncode == 1
    assert "Timeout (0:00:15)!" in trainer.stderr
    assert "in _decode" in trainer.stderr


def test_loader_workers_die_with_a_killed_trainer(whole: Whole, tmp_path: Path) -> None:
    with Trainer(tmp_path, whole.into(tmp_path / "out", loader_workers=2)) as trainer:
        trainer.until(lambda: trainer.events_of("step"))
        children = psutil.Process(trainer.process.pid).children(recursive=True)
    assert children
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not [child for child in alive if child.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize(
    ("where", "value", "words"),
    [
        ("watchdog_seconds", 0, "watchdog_seconds: Input should be greater than 0"),
        ("machine.checkpoint_every_minutes", float("nan"), "machine.checkpoint_every_minutes: Input should be "),
        ("loader_workers", -1, "loader_workers: Input should be greater than or equal to 0"),
        ("machine.precision", "fp8", "machine.precision: Input should be 'bf16', 'fp16' or 'fp32'"),
    ],
)
def test_options_that_make_no_sense(whole: Whole, tmp_path: Path, where: str, value: object, words: str) -> None:
    content = whole.into(tmp_path / "out").model_dump(mode="json")
    group, _, name = where.rpartition(".")
    (content[group] if group else content)[name] = value
    (tmp_path / "job.json").write_text(json.dumps(content))
    trainer = run(tmp_path, tmp_path / "job.json")
    assert trainer.process.returncode == 2
    assert f"job.json: {words}" in trainer.stderr.splitlines()[-1]
    assert not (tmp_path / "out").exists()
