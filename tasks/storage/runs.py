"""Training runs in the store, as others see them. Who works on one: ``leases``; how far it is: ``checkpoints``."""

from tasks.errors import LostRace, NotInStore
from tasks.records import EvaluationReport, ModelFormats, RunState, TrainedModel, TrainingSpec
from tasks.storage import keys
from tasks.storage.documents import find_record, read_record, replace_record
from tasks.storage.s3 import Store


def find_model(store: Store, run_key: str) -> TrainedModel | None:
    """The model of a finished run, or None if the run is not finished.

    Raises:
        CorruptObject: the record is damaged.
    """
    state = find_record(store, keys.run_state(run_key), RunState)
    return state.model if state else None


def find_older_runs(store: Store, spec: TrainingSpec) -> dict[int, RunState]:
    """Find runs with the same settings by older recipes.

    Args:
        store: The object store.
        spec: The run.

    Returns:
        Their states by recipe, the newest first.

    Raises:
        CorruptObject: a record is damaged.
    """
    run_keys = {recipe: spec.model_copy(update={"recipe": recipe}).digest for recipe in reversed(range(spec.recipe))}
    found = {recipe: find_record(store, keys.run_state(key), RunState) for recipe, key in run_keys.items()}
    return {recipe: state for recipe, state in found.items() if state is not None}


def reuse_model(store: Store, run_key: str) -> TrainedModel | None:
    """The model of a finished run that is used again: from now on housekeeping takes the run for a new one.

    Either this or housekeeping changes the run's state first. The other one then finds another state.

    Args:
        store: The object store.
        run_key: Digest of the TrainingSpec.

    Returns:
        The model, or None if the run is not finished.

    Raises:
        CorruptObject: the record is damaged.
    """
    while True:
        try:
            state, etag = read_record(store, keys.run_state(run_key), RunState)
            if state.model is not None:
                renewed = state.model_copy(update={"renewals": state.renewals + 1})
                replace_record(store, keys.run_state(run_key), renewed, etag)
        except NotInStore:
            return None
        except LostRace:
            continue
        return state.model


def find_formats(store: Store, report: EvaluationReport) -> ModelFormats | None:
    """Find the files of a measured model.

    Args:
        store: Store of the run.
        report: An evaluation of the run.

    Returns:
        The files; None if they were not exported yet, or belong to other weights or to another threshold, or are gone.
    """
    key = keys.evaluation_formats(keys.evaluation_prefix(report.evaluation.key))
    formats = find_record(store, key, ModelFormats)
    if formats is None:
        return None
    fits = (formats.weights_sha256, formats.threshold) == (report.weights_sha256, report.scores.threshold)
    if not fits:
        return None
    stored_keys = set(store.list(keys.formats(report.run_key)))
    return formats if all(one.file.key in stored_keys for one in formats.formats) else None
