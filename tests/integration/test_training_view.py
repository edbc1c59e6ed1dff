"""What people see of a training run: on a terminal, in a pipe, and from the command."""

import io
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from deployments.demo.cartoons import draw_export
from deployments.terminal.training_view import LiveView, PlainView, training_view
from tasks.records import EpochResult, Split, SplitCounts, TrainingResult, TrainingSpec
from tasks.training.contract.events import (
    CheckpointSaved,
    EpochDone,
    Finished,
    LogLine,
    Plan,
    Started,
    StepDone,
    Tick,
)
from tests.fakes.terminals import read_terminal

NASFLOW = str(Path(sys.executable).with_name("nasflow"))
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
SPEC = TrainingSpec(
    snapshot_digest="0" * 64, classes=("cat",), variant="m", epochs=20, image_size=640, batch_size=8,
    learning_rate=5e-4, patience=5, seed=0,
)  # fmt: skip
SPLITS: dict[Split, SplitCounts] = {
    "train": SplitCounts(images=120, boxes=300, background=0),
    "valid": SplitCounts(images=30, boxes=80, background=2),
}
DEVICE = "cuda bf16-mixed channels-last"


SCORES = {
    "losses": {"total": 2.3456, "class": 1.0}, "valid_losses": {"total": 2.5}, "map50": 0.61, "precision": 0.72,
    "recall": 0.83, "lr": 4.9e-4,
}  # fmt: skip
RESULT = {
    "run_key": SPEC.digest, "epochs_done": 20, "best_epoch": 1, "best_map": 0.25, "ended": "epochs", "seconds": 99.0,
    "images_per_second": 98.76, "weights_sha256": "1" * 64, "resumed_from_epoch": None, "device": DEVICE,
}  # fmt: skip


def scores(number, score=0.25):
    return EpochResult.model_validate({**SCORES, "epoch": number, "map": score, "seconds": 12.34})


def plan(micro_batch=8, batch_size=8):
    return Plan(
        device=DEVICE, machine="a machine", devices=1, precision="bf16-mixed", batch_size=batch_size,
        micro_batch=micro_batch, loader_workers=0, train_images="120 images in memory",
        valid_images="30 images in memory", augmentation="standard", shortages=(), start=None, versions={},
    )  # fmt: skip


def started(history=(), best_epoch=None):
    return Started(
        device=DEVICE, epochs=20, epochs_done=len(history), steps_done=0, steps_per_epoch=15,
        resumed_from_epoch=len(history) or None, history=tuple(history), best_epoch=best_epoch,
    )  # fmt: skip


def step(epoch, number, loss: float | None = 2.125):
    return StepDone(
        epoch=epoch, epochs=20, step=number, steps=15, loss=loss, step_images_per_second=90.0,
        images_per_second=98.76, seconds_left=3725.0,
    )  # fmt: skip


def epoch(number, best, seconds=12.34):
    return EpochDone.model_validate({
        **SCORES, "epoch": number, "map": 0.25, "seconds": seconds, "best_epoch": best, "epochs": 20,
        "seconds_left": 130.0, "peak_memory_bytes": 3 * 2**29,
    })  # fmt: skip


def finished(**changes):
    return Finished(result=TrainingResult.model_validate({**RESULT, **changes}))


def console(width=80, height=30, terminal=True):
    return Console(
        file=io.StringIO(), width=width, height=height, force_terminal=terminal, highlight=False, emoji=False,
        _environ={"TERM": "xterm"},
    )  # fmt: skip


def written_for(events, on_console):
    """All text that a view writes for these events."""
    with training_view(SPEC, SPLITS, on_console) as view:
        for event in events:
            view.show(event)
    return on_console.file.getvalue()


def last_frame(events, **options):
    """Lines of the screen at the end."""
    written = CONTROL.sub("", written_for(events, console(**options)))
    return written[written.rindex("YOLO-NAS M") :].replace("\r", "").rstrip().splitlines()


def rows(frame):
    """Rows of the table by epoch."""
    return {int(match[1]): line for line in frame if (match := re.match(r" *(?:\* )?(\d+) +\d", line))}


def starred(frame):
    """Epochs of the rows with a star."""
    return [epoch for epoch, line in rows(frame).items() if line.lstrip().startswith("* ")]


# On a terminal -----------------------------------------------------------------------------------


def test_before_the_first_event_of_the_trainer_the_spec_is_shown():
    frame = " ".join(last_frame([Tick()]))
    assert "YOLO-NAS M, starting the trainer, batch 8, 640 px, images: 120 train, 30 valid" in frame
    assert "0/20" in frame


def test_header_bars_and_table_of_a_run_under_way():
    frame = last_frame([started(), step(1, 15), epoch(1, best=1), step(2, 6)])
    assert " ".join(line.strip() for line in frame[:2]) == (
        f"YOLO-NAS M, {DEVICE}, batch 8, 640 px, images: 120 train, 30 valid"
    )
    (epochs,) = [line for line in frame if line.startswith("epochs ")]
    assert "1/20" in epochs
    assert "1:02:05 left" in epochs
    (steps,) = [line for line in frame if line.startswith("epoch 2 ")]
    assert "6/15" in steps
    assert "98.8 images/s, loss 2.125" in steps
    titles = next(line for line in frame if line.startswith("epoch  "))
    assert titles.split() == [
        "epoch", "loss", "valid", "loss", "mAP", "mAP50", "precision", "recall", "lr", "seconds"
    ]  # fmt: skip
    assert rows(frame)[1].split() == [
        "*", "1", "2.346", "2.500", "0.250", "0.610", "0.720", "0.830", "4.90e-04", "12.3"
    ]  # fmt: skip


def test_the_next_epoch_begins_at_no_steps():
    frame = last_frame([started(), step(1, 15), epoch(1, best=1)])
    assert any(line.startswith("epoch 2 ") and "0/15" in line for line in frame)


def test_a_resumed_run_shows_the_epochs_before():
    frame = last_frame([started([scores(1, 0.1), scores(2, 0.3), scores(3, 0.3)], best_epoch=2)])
    assert set(rows(frame)) == {1, 2, 3}
    assert starred(frame) == [2]
    assert any(line.startswith("epochs ") and "3/20" in line for line in frame)


def test_the_best_epoch_is_the_one_that_the_trainer_names():
    assert starred(last_frame([started([scores(1, 0.9)], best_epoch=1), epoch(2, best=2)])) == [2]


def test_the_last_ten_epochs_are_shown_and_the_best_one_with_them():
    frame = last_frame([started(), *(epoch(number, best=2) for number in range(1, 16))])
    assert set(rows(frame)) == {2, *range(6, 16)}
    assert starred(frame) == [2]


@pytest.mark.parametrize("height", [14, 18, 24])
def test_everything_fits_on_a_terminal_with_few_lines(height):
    events = [started(), *(epoch(number, best=1) for number in range(1, 16)), step(16, 2)]
    frame = last_frame(events, height=height)
    assert len(frame) < height
    assert {1, 15} <= set(rows(frame))


@pytest.mark.parametrize("width", [200, 80, 78, 60])
def test_numbers_are_whole_at_this_width(width):
    events = [started(), step(9999, 10), epoch(9999, best=9999, seconds=12345.6), step(10000, 15)]
    frame = last_frame(events, width=width)
    assert all(len(line) <= width for line in frame)
    assert "\N{HORIZONTAL ELLIPSIS}" not in "".join(frame)
    numbers = rows(frame)[9999].split()
    assert {"*", "9999", "2.346", "0.250", "0.610", "12345.6"} <= set(numbers)
    assert ("4.90e-04" in numbers) == (width >= 78)


def test_the_best_epoch_is_marked_by_more_than_colour():
    plain = last_frame([started(), epoch(1, best=1), epoch(2, best=1)])
    assert starred(plain) == [1]
    assert "* best epoch" in plain[-1]


def test_log_lines_stand_above():
    message = LogLine(message="5 of 7 tensors from [bold]x[/]")
    written = written_for([started(), message, step(1, 3)], console())
    written = CONTROL.sub("", written)
    assert written.count("5 of 7 tensors from [bold]x[/]") == 1
    assert written.index("5 of 7") < written.rindex("YOLO-NAS M")


def test_a_loss_that_is_not_finite_is_named():
    assert "loss not finite" in " ".join(last_frame([started(), step(1, 1, loss=None)]))


def test_the_plan_and_the_memory_are_shown():
    shown = " ".join(line.strip() for line in last_frame([plan(8, 32), started(), epoch(1, best=1)]))
    assert f"{DEVICE}, batch 32 (8 at a time)" in shown
    assert "peak memory 1.5 GiB" in shown
    assert f"{DEVICE}, batch 8, " in " ".join(last_frame([plan()]))


@pytest.mark.parametrize(("ended", "words"), [("epochs", "done"), ("patience", "ended, no better mAP for 5 epochs")])
def test_the_end_stays_on_the_screen(ended, words):
    frame = last_frame([started(), step(1, 15), epoch(1, best=1), finished(ended=ended)])
    assert words in " ".join(frame)
    assert not any(line.startswith("epoch 2") for line in frame)
    assert set(rows(frame)) == {1}
    assert starred(frame) == [1]


def test_a_run_that_had_ended_before_shows_its_device():
    (first, *_) = last_frame([finished(device="cpu 32-true")], width=120)
    assert "cpu 32-true" in first


# Elsewhere ---------------------------------------------------------------------------------------


def test_a_pipe_gets_a_plain_line_an_epoch():
    events = [
        started(), step(1, 5), CheckpointSaved(epochs_done=0, steps_done=5, sha256="0" * 64, size=9, seconds=0.1),
        epoch(1, best=1), Tick(), step(2, 5), epoch(2, best=1), finished(),
    ]  # fmt: skip
    written = written_for(events, console(terminal=False))
    numbers = (
        "loss 2.346, valid loss 2.500, mAP 0.250, mAP50 0.610, precision 0.720, recall 0.830, lr 4.90e-04, "
        "seconds 12.3, 0:02:10 left"
    )
    assert written.splitlines() == [
        f"YOLO-NAS M, {DEVICE}, batch 8, 640 px, images: 120 train, 30 valid",
        f"epoch 1 of 20: {numbers}, peak memory 1.5 GiB, best so far",
        f"epoch 2 of 20: {numbers}, peak memory 1.5 GiB",
    ]


def test_a_pipe_gets_no_control_codes_even_from_names():
    written = written_for([started(), LogLine(message="a\x1b[2Jb\nc"), epoch(1, best=1)], console(terminal=False))
    assert all(character.isprintable() for line in written.splitlines() for character in line)
    assert "a [2Jb c" in written.splitlines()


def test_a_pipe_gets_a_line_about_where_a_resumed_run_goes_on():
    (line,) = written_for([started([scores(1), scores(2)])], console(terminal=False)).splitlines()
    assert line.endswith("going on after epoch 2")


def test_a_dumb_terminal_gets_plain_lines():
    dumb = Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": "dumb"})
    with training_view(SPEC, SPLITS, dumb) as view:
        assert isinstance(view, PlainView)
    with training_view(SPEC, SPLITS, console()) as view:
        assert isinstance(view, LiveView)


# The command -------------------------------------------------------------------------------------


def test_the_command_shows_a_table_on_stderr_and_stdout_has_the_document_alone(tmp_path):
    draw_export(tmp_path / "pets", 1, train=8, valid=2, test=2, size=64)
    command = [
        NASFLOW, "train", str(tmp_path / "pets"), "--out", str(tmp_path / "out"), "--epochs", "2",
        "--image-size", "64", "--batch-size", "4", "--json",
    ]  # fmt: skip
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "30", "OMP_NUM_THREADS": "1"}
    master, slave = pty.openpty()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=slave, text=True, env=environment) as process:
        os.close(slave)
        shown = CONTROL.sub("", read_terminal(master))
        stdout = process.stdout.read()
    os.close(master)
    assert process.returncode == 0, shown
    assert json.loads(stdout)["epochs_done"] == 2
    frame = shown[shown.rindex("YOLO-NAS S, ") :].replace("\r", "").splitlines()
    assert set(rows(frame)) == {1, 2}
    assert json.loads(stdout)["best_epoch"] in starred(frame)

    # The same in a pipe for which CI asks for colours; the run is over, so there is nothing to show.
    again = subprocess.run(command, capture_output=True, text=True, check=True, env={**environment, "FORCE_COLOR": "1"})
    assert "\x1b" not in again.stderr
    assert json.loads(again.stdout) == json.loads(stdout)
