"""The outcome of a study, from its trained and measured models. Pure."""

from collections.abc import Sequence

from tasks.records import (
    EvaluationReport,
    Gain,
    Measurement,
    SettingsStudy,
    StudiedModel,
    TrainedModel,
    TrainingSpec,
    Trial,
    TrialSettings,
)
from tasks.studies.recommendation import RULE, recommend

Measured = tuple[TrainedModel, EvaluationReport]


def settings_of(spec: TrainingSpec) -> TrialSettings:
    """The settings of a planned run, with numbers instead of ``auto``."""
    return TrialSettings.model_validate({name: getattr(spec, name) for name in TrialSettings.model_fields})


def in_order(measured: Sequence[Measured]) -> list[Measured]:
    """Measured models, each run once, the most accurate first."""
    once = {model.run_key: (model, report) for model, report in measured}
    return sorted(once.values(), key=lambda pair: (-pair[1].scores.map, pair[0].run_key))


def outcome(
    project: str, measured: Sequence[Measured], behind: Sequence[Gain | None], sources: int, left_out: Sequence[Trial]
) -> SettingsStudy:
    """Put together what a study came to.

    Args:
        project: Project of the labels.
        measured: Measured models, as ``in_order`` gives them.
        behind: Difference in mAP of each to the first.
        sources: Number of source images that they were measured on.
        left_out: Trials without a model.

    Returns:
        The outcome with its recommendation.
    """
    models = [_studied(*pair, gain) for pair, gain in zip(measured, behind, strict=True)]
    if len({model.name for model in models}) < len(models):
        models = [model.model_copy(update={"name": model.settings.in_words}) for model in models]
    recommendation = recommend(models, left_out, sources)
    report = measured[0][1]
    return SettingsStudy(
        project=project,
        snapshot_digest=report.snapshot_digest,
        split=report.split,
        sources=sources,
        models=tuple(models),
        left_out=tuple(left_out),
        recommended=recommendation.model.run_key if recommendation.model else None,
        sentence=recommendation.sentence,
        rule=RULE,
        caveats=recommendation.caveats,
    )


def _studied(model: TrainedModel, report: EvaluationReport, behind: Gain | None) -> StudiedModel:
    result, speed, scores = model.result, report.speed, report.scores
    settings = settings_of(model.spec)
    return StudiedModel(
        name=settings.in_short,
        settings=settings,
        run_key=model.run_key,
        map=Measurement(value=scores.map, ci95=scores.ci95.get("map")),
        behind=behind,
        valid_map=result.best_map,
        best_epoch=result.best_epoch,
        still_rising=result.still_rising,
        seconds=result.seconds,
        device=speed.device if speed else "",
        latency_ms=speed.latency_ms if speed else None,
        parameters=speed.parameters if speed else None,
        file_bytes=model.weights.size,
        report=report.evaluation.key,
    )
