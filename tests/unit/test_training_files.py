"""Reading the small files of a run's folder."""

from pathlib import Path

import pytest

from tasks.errors import BadSpec
from tasks.records import EpochResult, TrainingResult, TrainingSpec
from tasks.training.contract import files

SPEC = TrainingSpec(
    snapshot_digest="0" * 64, classes=("disc",), variant="s", epochs=10, image_size=64, batch_size=2,
    learning_rate=1e-3, patience=5, seed=0,
)  # fmt: skip
RESULT = TrainingResult(
    run_key=SPEC.digest, epochs_done=10, best_epoch=7, best_map=0.5, ended="epochs", seconds=1.0,
    images_per_second=2.0, weights_sha256="1" * 64, resumed_from_epoch=None, device="cpu 32-true",
)  # fmt: skip


def test_a_spec_is_read_with_its_digest(tmp_path: Path) -> None:
    (tmp_path / files.SPEC).write_text(SPEC.model_dump_json())
    assert files.read_spec(tmp_path / files.SPEC).digest == SPEC.digest


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "content: Invalid JSON"),
        (SPEC.model_dump_json().replace('"image_size":64', '"image_size":65'), "image_size: .* multiple of 32"),
        (SPEC.model_dump_json().replace('"seed":0', '"seed":0,"speed":9'), "speed: Extra inputs"),
    ],
)
def test_an_invalid_spec_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / files.SPEC).write_text(content)
    with pytest.raises(BadSpec, match=rf"spec\.json: {message}.*; correct the spec$"):
        files.read_spec(tmp_path / files.SPEC)


def test_a_missing_spec_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSpec, match="no such file"):
        files.read_spec(tmp_path / files.SPEC)


def test_a_result_is_read_once_the_run_is_finished(tmp_path: Path) -> None:
    assert files.read_result(tmp_path, SPEC) is None
    (tmp_path / files.RESULT).write_text(RESULT.model_dump_json())
    assert files.read_result(tmp_path, SPEC) == RESULT


@pytest.mark.parametrize("with_spec", [True, False])
def test_a_result_of_another_run_is_refused(tmp_path: Path, *, with_spec: bool) -> None:
    """The message names the fields that differ; old results do not hold a spec."""
    result = RESULT.model_copy(update={"spec": SPEC if with_spec else None})
    (tmp_path / files.RESULT).write_text(result.model_dump_json())
    other = SPEC.model_copy(update={"epochs": 11, "seed": 4})
    differing = "they differ in epochs (10 there, 11 here), seed (0 there, 4 here); " if with_spec else ""
    with pytest.raises(BadSpec) as refused:
        files.read_result(tmp_path, other)
    runs = f"belongs to run {SPEC.digest[:12]}, this spec is run {other.digest[:12]}; "
    assert str(refused.value) == f"{tmp_path / files.RESULT}: {runs}{differing}take another folder"


def test_a_damaged_result_is_refused(tmp_path: Path) -> None:
    (tmp_path / files.RESULT).write_text('{"run_key"')
    with pytest.raises(BadSpec, match=r"result\.json: not a result of training .* remove it"):
        files.read_result(tmp_path, SPEC)


def test_the_history_is_read(tmp_path: Path) -> None:
    lines = [
        EpochResult(epoch=epoch, losses={}, valid_losses={}, map=0, map50=0, precision=0, recall=0, lr=1e-3, seconds=1)
        for epoch in (1, 2)
    ]
    (tmp_path / files.HISTORY).write_text("".join(line.model_dump_json() + "\n" for line in lines))
    assert files.read_history(tmp_path / files.HISTORY) == lines
