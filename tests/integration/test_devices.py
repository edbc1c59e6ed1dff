"""Several devices share a run: what they compute is what one computes. Two processes with gloo, on the processor."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import psutil
import pytest

from tasks.training.contract import files
from tests.fakes import trainer
from tests.fakes.datasets import make_spec, write_dataset, write_spec

BATCH, IMAGES = 5, 13  # an odd batch, and a last one of three


PIECES = {1: (BATCH, 2), 2: (3, 1)}
"""Micro-batches on so many devices, the first of which needs one a step."""


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict]:
    """The first steps of a run, on so many devices, in a way given by options: by micro-batch."""
    folder = tmp_path_factory.mktemp("steps")
    snapshot = write_dataset(folder / "data", IMAGES, 2)
    write_spec(folder / "spec.json", make_spec(snapshot, batch_size=BATCH, learning_rate=1e-4))

    @cache
    def run(devices: int, pieces: tuple[int, ...], *options: str) -> dict[int, dict]:
        import torch

        command = ["tests.fakes.several_processes", folder, *options, "--devices", devices, "--micro-batches", *pieces]
        done = subprocess.run(
            [sys.executable, "-m", *map(str, command)], capture_output=True, text=True, check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        return {piece: torch.load(folder / f"steps-{devices}-{piece}.pt", weights_only=True) for piece in pieces}

    return run


def difference(these: dict, those: dict) -> float:
    """Norm of the difference of all tensors over the norm of all, relative."""
    import torch

    assert these.keys() == those.keys()
    apart, whole = (
        torch.cat([part.flatten().double() for part in parts])
        for parts in ([these[name] - those[name] for name in these], list(these.values()))
    )
    return float(apart.norm() / whole.norm())


@pytest.mark.parametrize(("devices", "micro_batch"), [(1, 2), (2, 3), (2, 1)])
def test_loss_and_gradients_are_those_of_the_whole_batch(
    steps: Callable[..., dict], devices: int, micro_batch: int
) -> None:
    """In pieces, on two devices, or both, with the statistics of batch norms fixed; in fp32."""
    whole, shared = (steps(count, PIECES[count], "--fixed-norms") for count in (1, devices))
    whole, shared = whole[BATCH], shared[micro_batch]
    for parts, expected in zip(shared["parts"], whole["parts"], strict=True):
        assert parts == pytest.approx(expected, rel=1e-5)
    assert len(whole["gradients"]) == 3
    for step in range(3):
        assert difference(shared["gradients"][step], whole["gradients"][step]) < 1e-5


def test_batch_norms_take_the_statistics_of_all_devices(steps: Callable[..., dict]) -> None:
    """In fp64: in fp32 the rounding of a mean tips which of two equal boxes is assigned, and much follows from that."""
    whole, shared = steps(1, (BATCH,), "--double")[BATCH], steps(2, (3,), "--double")[3]
    for parts, expected in zip(shared["parts"], whole["parts"], strict=True):
        assert parts == pytest.approx(expected, rel=1e-9)
    for step in range(3):
        assert difference(shared["gradients"][step], whole["gradients"][step]) < 1e-6
    assert difference(shared["buffers"], whole["buffers"]) < 1e-9


def test_a_shared_run_stops_goes_on_and_ends_as_one(tmp_path: Path) -> None:
    snapshot = write_dataset(tmp_path / "data", 7, 3)
    spec = make_spec(snapshot, batch_size=3, epochs=4)
    out = tmp_path / "out"
    work = trainer.training(spec, tmp_path / "data", out, devices=2, precision="fp32")
    with trainer.Trainer(tmp_path, work) as first:
        first.until(lambda: first.events_of("epoch"))
        children = psutil.Process(first.process.pid).children()
        first.process.send_signal(signal.SIGTERM)
        assert first.ended() == 4, first.stderr[-3000:]
    psutil.wait_procs(children, timeout=60)
    assert children
    assert not any(child.is_running() for child in children)

    with trainer.Trainer(tmp_path, work) as second:
        assert second.ended() == 0, second.stderr[-3000:]
    result = files.read_result(out, spec)
    assert result is not None
    assert (result.devices, result.epochs_done) == (2, 4)
    assert result.resumed_from_epoch is not None
    epochs = [event["epoch"] for run in (first, second) for event in run.events_of("epoch")]
    assert epochs == [1, 2, 3, 4]
    assert [event["device"] for event in second.events_of("plan")] == ["2 x cpu 32-true channels-last"]


def test_losing_one_process_ends_the_others(tmp_path: Path) -> None:
    snapshot = write_dataset(tmp_path / "data", 7, 3)
    spec = make_spec(snapshot, batch_size=3, epochs=100)
    with trainer.Trainer(tmp_path, trainer.training(spec, tmp_path / "data", tmp_path / "out", devices=2)) as run:
        run.until(lambda: run.events_of("epoch"))
        (child,) = psutil.Process(run.process.pid).children()
        child.kill()
        assert run.ended() != 0
