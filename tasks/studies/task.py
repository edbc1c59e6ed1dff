"""Prefect surface of studies of settings: train the trials, measure the models, and show which to take."""

from collections.abc import Sequence

from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from tasks.errors import BadRequest, NasflowError
from tasks.evaluation.in_store import job_for
from tasks.evaluation.task import evaluate_on_worker
from tasks.orchestration.progress import ProgressBar, artifact_key, report_to_server
from tasks.orchestration.retries import step
from tasks.records import (
    ModelVersion,
    RetrainRequest,
    SettingsSpace,
    SettingsStudy,
    SnapshotRef,
    StudyIdentity,
    TrainJob,
    Trial,
)
from tasks.settings import WorkSettings, from_environment
from tasks.storage.runs import find_model
from tasks.storage.s3 import Store
from tasks.studies.combinations import all_combinations, request_of
from tasks.studies.differences import differences
from tasks.studies.in_store import store_study
from tasks.studies.outcome import Measured, in_order, outcome, settings_of
from tasks.studies.summary import SETTINGS_STUDY, study_markdown, study_row
from tasks.studies.trial_runs import TrialRuns
from tasks.studies.trials import Combinations, Search
from tasks.training.task import plan_training


@step("check what to try")
def require_choice(space: SettingsSpace) -> None:
    """Refuse a study with one combination of settings, which has nothing to choose between.

    Raises:
        BadRequest: there is only one.
    """
    if space.is_empty:
        raise BadRequest(
            "space: there is one combination of settings, so there is nothing to choose between; name several "
            "variants, epochs or image_sizes, or a number of trials"
        )


@step("plan the study")
def plan_study(
    request: RetrainRequest, space: SettingsSpace, snapshot: SnapshotRef, champion: ModelVersion | None
) -> TrainJob:
    """Plan the first combination of settings: its run key stands for the labels and what all models have in common.

    Args:
        request: What the models have in common.
        space: What to try.
        snapshot: The labels.
        champion: The project's champion, if it has one.

    Returns:
        The planned run.
    """
    first = all_combinations(request, space)[0]
    return plan_training(request_of(request, first.settings), snapshot, champion)


@step("train the models")
def train_models(
    request: RetrainRequest, space: SettingsSpace, snapshot: SnapshotRef, champion: ModelVersion | None, base: TrainJob
) -> list[Trial]:
    """Train all trials on the gpu pool, as many at once as it has workers; finished runs are used again.

    Args:
        request: What the models have in common.
        space: What to try.
        snapshot: The labels.
        champion: The project's champion, if it has one.
        base: The planned first combination.

    Returns:
        All trials, with what became of them.
    """
    store = Store.from_environment()

    def job_of(trial: Trial) -> TrainJob:
        job = plan_training(request_of(request, trial.settings), snapshot, champion)
        return job.model_copy(update={"evaluation": job_for(job.spec.digest, snapshot, request.threshold_for)})

    if space.trials is None:
        trials: Combinations | Search = Combinations(all_combinations(request, space))
    else:
        prefix = request.project, StudyIdentity.of(base.spec.digest, space).digest
        trials = Search(store, prefix, settings_of(base.spec), space, snapshot.splits["train"].images, request.seed)
    TrialRuns(store, trials, job_of, ProgressBar("models").show).train()
    return list(trials.all())


@step("measure the models")
def measure_models(request: RetrainRequest, snapshot: SnapshotRef, trials: Sequence[Trial]) -> SettingsStudy:
    """Measure the trained models on the same images, compare each with the most accurate, and say which to take.

    Args:
        request: What the models have in common.
        snapshot: The labels.
        trials: All trials, those without a model too.

    Returns:
        The outcome.

    Raises:
        NasflowError: no trial has a model.
    """
    store, scratch = Store.from_environment(), from_environment(WorkSettings).work_dir / "scratch"
    measured: list[Measured] = []
    for trial in trials:
        model = find_model(store, trial.run_key) if trial.status == "trained" and trial.run_key else None
        if model is not None:
            measured.append((model, evaluate_on_worker(model, snapshot, request.threshold_for)))
    if not measured:
        raise NasflowError(f"none of the {len(trials)} trials has a model; trial {trials[0].number}: {trials[0].why}")
    measured = in_order(measured)
    behind, sources = differences(store, [report for _, report in measured], scratch, ProgressBar("models").show)
    left_out = [trial for trial in trials if trial.status != "trained"]
    return outcome(request.project, measured, behind, sources, left_out)


@step("show the study")
def show_settings_study(study: SettingsStudy, base: TrainJob, space: SettingsSpace) -> SettingsStudy:
    """Store what the study came to, and show it in Prefect.

    Args:
        study: The outcome.
        base: The planned first combination.
        space: What was tried.

    Returns:
        The outcome.
    """
    store, scratch = Store.from_environment(), from_environment(WorkSettings).work_dir / "scratch"
    digest = StudyIdentity.of(base.spec.digest, space).digest
    key, page = store_study(store, study, digest, scratch)
    get_run_logger().info("%s", study.sentence)
    link = store.link(page.key)
    row, text = study_row(study, key, page.key), study_markdown(study, link.url, link.validity, page.key)
    report_to_server(lambda: create_table_artifact([row], SETTINGS_STUDY, "Outcome of the study of settings"))
    report_to_server(
        lambda: create_markdown_artifact(text, artifact_key("settings", study.project), "Which settings to take")
    )
    return study
