"""The contract with the trainer: jobs and events as they are written and read, and the table of exit codes."""

import json
from pathlib import Path

import pytest

from tasks import errors
from tasks.errors import BadExport, BadSpec, BadWeights, DiskFull, NasflowError, StoreError
from tasks.records import EpochResult, MachineOptions
from tasks.settings import WorkSettings
from tasks.training.contract.events import (
    BatchesDone,
    CheckpointSaved,
    EpochDone,
    Event,
    Failed,
    Finished,
    LogLine,
    Plan,
    Started,
    StepDone,
    read_event,
)
from tasks.training.contract.exits import EXITS, error_class, exit_code
from tasks.training.contract.job import (
    CONTRACT,
    DetectionWork,
    ExportWork,
    InitialWeights,
    TrainerJob,
    TrainingWork,
    read_job,
    write_job,
)
from tests.fakes.evaluations import result, spec

SPEC, RESULT = spec(), result()
DATA, OUT = Path("data"), Path("out")
SCORES = {
    "epoch": 1, "losses": {"total": 2.5}, "valid_losses": {}, "map": 0.1, "map50": 0.2, "precision": 0.3,
    "recall": 0.4, "lr": 1e-3, "seconds": 1.5,
}  # fmt: skip
JOBS: list[TrainerJob] = [
    TrainingWork(
        data=DATA, out=OUT, spec=SPEC, detect=("test", "valid"), loader_workers=3, watchdog_seconds=15,
        machine=MachineOptions(devices=2, precision="bf16", checkpoint_every_minutes=0.5, compile=True),
        weights=InitialWeights(file=Path("w"), source="store://w", licence="MIT"),
    ),
    DetectionWork(data=DATA, out=OUT, weights=Path("w"), splits=("valid",)),
    ExportWork(data=DATA, out=OUT, weights=Path("w"), split="test", threshold=0.5),
]  # fmt: skip
EVENTS: list[Event] = [
    Plan(
        device="cpu", machine="m", devices=1, precision="32-true", batch_size=8, micro_batch=4, loader_workers=0,
        train_images="in memory", valid_images="in memory", augmentation="light", shortages=("out of memory",),
        start=None, versions={"torch": "2"},
    ),
    Started(
        device="cpu", epochs=10, epochs_done=1, steps_done=2, steps_per_epoch=4, resumed_from_epoch=1,
        history=(EpochResult.model_validate(SCORES),), best_epoch=1,
    ),
    StepDone(
        epoch=1, epochs=10, step=1, steps=4, loss=None, step_images_per_second=1.0, images_per_second=2.0,
        seconds_left=3.0,
    ),
    EpochDone.model_validate({**SCORES, "best_epoch": 1, "epochs": 10, "seconds_left": 3.0, "peak_memory_bytes": 9}),
    CheckpointSaved(epochs_done=1, steps_done=0, sha256="0" * 64, size=9, seconds=0.1),
    BatchesDone(done=1, total=2),
    LogLine(message="caf\u00e9"),
    Finished(result=RESULT),
    Finished(),
    Failed(kind="DiskFull", message="no room", exit_code=1),
]  # fmt: skip


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.kind)
def test_a_job_is_read_as_it_was_written(tmp_path: Path, job: TrainerJob) -> None:
    write_job(tmp_path / "job.json", job)
    assert read_job(tmp_path / "job.json") == job
    assert json.loads((tmp_path / "job.json").read_text())["contract"] == CONTRACT


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.event)
def test_an_event_is_read_as_it_was_written(event: Event) -> None:
    line = event.model_dump_json()
    assert read_event(line) == event
    assert "\n" not in line
    assert json.loads(line)["contract"] == CONTRACT


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"contract": CONTRACT + 1}, "start the worker again"),
        ({"spec": {}}, "spec.snapshot_digest: Field required"),
        ({"detect": ["train", "tset"]}, "detect.1: Input should be"),
        ({"speed": 9}, "speed: Extra inputs are not permitted"),
        ({"kind": "rest"}, "kind: "),
    ],
)
def test_a_job_that_cannot_be_done_is_refused_in_a_line(tmp_path: Path, change: dict[str, object], words: str) -> None:
    path = tmp_path / "job.json"
    path.write_text(json.dumps({**JOBS[0].model_dump(mode="json"), **change}))
    with pytest.raises(BadSpec) as refused:
        read_job(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_line_that_a_process_was_killed_in_is_no_event() -> None:
    assert read_event(EVENTS[0].model_dump_json()[:40]) is None


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"event": "something new", "contract": 9}', f"contract 9, not {CONTRACT}"),
        ('{"event": "step", "epoch": 1}', "Field required"),
        ("[1]", "cannot be read"),
    ],
)
def test_a_whole_line_that_is_no_event_is_told(line: str, words: str) -> None:
    event = read_event(line)
    assert isinstance(event, LogLine)
    assert words in event.message
    assert line in event.message


def test_machine_options_are_those_of_the_settings() -> None:
    settings = WorkSettings(devices=2, precision="fp16", checkpoint_every_minutes=3, compile=True)
    assert settings.machine == MachineOptions(devices=2, precision="fp16", checkpoint_every_minutes=3, compile=True)


def test_each_error_of_the_table_comes_back_from_its_code() -> None:
    for code, kinds in EXITS.items():
        for kind in kinds:
            assert exit_code(kind("why")) == code
            assert error_class(code, kind.__name__) is kind
    assert len({kind for kinds in EXITS.values() for kind in kinds}) == sum(map(len, EXITS.values()))


def test_every_error_has_a_code_of_the_table_and_bad_input_has_that_of_bad_input() -> None:
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, NasflowError)}
    simple = kinds - {errors.ProcessCrashed}
    assert {exit_code(kind("why")) for kind in simple} == set(EXITS)
    assert exit_code(BadExport("why")) == 2
    assert exit_code(StoreError("why")) == 1


@pytest.mark.parametrize(
    ("code", "name", "kind"),
    [
        (1, "DiskFull", DiskFull),
        (1, "BadWeights", NasflowError),
        (2, "BadWeights", BadWeights),
        (2, "BadExport", BadSpec),
        (2, None, BadSpec),
        (99, None, NasflowError),
    ],
)
def test_a_name_that_the_code_lacks_means_its_first_error(
    code: int, name: str | None, kind: type[NasflowError]
) -> None:
    assert error_class(code, name) is kind
