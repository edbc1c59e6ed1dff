"""The models of a study as rows of tables, and as options of a command. Pure."""

from typing import NamedTuple

from tasks.records import Interval, SettingsStudy, StudiedModel, TrialSettings


class ModelRow(NamedTuple):
    """A measured model."""

    settings: TrialSettings
    map: float
    interval: Interval | None
    behind: float | None
    behind_interval: Interval | None
    latency_ms: float | None
    megabytes: float
    minutes: float
    best_epoch: int
    is_recommended: bool


class LeftOutRow(NamedTuple):
    """A trial without a model."""

    number: int
    settings: str
    what: str
    why: str


def model_rows(study: SettingsStudy) -> list[ModelRow]:
    """The measured models, the most accurate first."""
    return [
        ModelRow(
            settings=model.settings,
            map=model.map.value,
            interval=model.map.ci95,
            behind=model.behind.gain if model.behind else None,
            behind_interval=model.behind.ci95 if model.behind else None,
            latency_ms=model.latency_ms,
            megabytes=model.file_bytes / 1e6,
            minutes=model.seconds / 60,
            best_epoch=model.best_epoch,
            is_recommended=model.run_key == study.recommended,
        )
        for model in study.models
    ]


def left_out_rows(study: SettingsStudy) -> list[LeftOutRow]:
    """Trials that were stopped, or failed."""
    return [
        LeftOutRow(trial.number, trial.settings.in_words, trial.status, trial.why or "") for trial in study.left_out
    ]


def options_of(model: StudiedModel) -> str:
    """The options of ``nasflow retrain`` that ask for a model of a study; its run is then used again."""
    settings = model.settings
    return (
        f"--variant {settings.variant} --image-size {settings.image_size} --epochs {settings.epochs} "
        f"--batch-size {settings.batch_size} --learning-rate {settings.learning_rate!r} "
        f"--augmentation {settings.augmentation}"
    )
