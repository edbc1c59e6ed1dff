"""A measured model in all formats: from the store, through the exporter process, into the store."""

import time
from collections.abc import Callable
from pathlib import Path

from tasks.errors import NasflowError, ProcessCrashed, TrainingStopped, TransientError
from tasks.local.scratch import scratch_folder
from tasks.records import FORMAT_FILES, EvaluationReport, Export, ModelFormat, ModelFormats
from tasks.settings import WorkSettings
from tasks.storage import keys
from tasks.storage.blob_cache import BlobCache
from tasks.storage.datasets import fetch_dataset
from tasks.storage.documents import put_record
from tasks.storage.runs import find_model
from tasks.storage.s3 import Store
from tasks.training.contract import files
from tasks.training.contract.events import Event
from tasks.training.contract.job import ExportWork
from tasks.training.initial_weights import fetch_file
from tasks.training.trainer_jobs import run_to_end


def export_in_store(
    store: Store, report: EvaluationReport, settings: WorkSettings, on_event: Callable[[Event], None]
) -> ModelFormats:
    """Write a run's best weights in all formats, measure each file, and store those that agree with the network.

    A model is worth publishing without these formats, too. So an exporter that fails for good is a reason for each of
    them, and no error.

    Args:
        store: The object store.
        report: An evaluation of the run; its split is measured on, and its threshold is named in the files.
        settings: Settings of this machine.
        on_event: Called with every event of the exporter.

    Returns:
        The stored files, and why a format is missing.

    Raises:
        NasflowError: the run is not finished, or the exporter was stopped or lost.
    """
    start = time.monotonic()
    model = find_model(store, report.run_key)
    if model is None:
        raise NasflowError(f"run {report.run_key[:12]} has no finished model in the store; train it first")
    weights = fetch_file(store, model.weights.key, model.weights.sha256, settings.work_dir / "weights")
    with scratch_folder(settings.work_dir / "scratch") as folder:
        data, out = folder / files.DATASET, folder / "out"
        fetch_dataset(store, report.snapshot_digest, data, BlobCache.of(settings))
        work = ExportWork(data=data, out=out, weights=weights, split=report.split, threshold=report.scores.threshold)
        try:
            export = _run_exporter(work, folder, on_event)
        except ProcessCrashed as error:
            export = _refuse_all(f"its process crashed with {error.signal_name}")
        except (TransientError, TrainingStopped):
            raise
        except NasflowError as error:
            export = _refuse_all(str(error))
        formats = ModelFormats(
            run_key=report.run_key,
            weights_sha256=report.weights_sha256,
            threshold=report.scores.threshold,
            formats=_store_files(store, report.run_key, export, out),
            refused=export.refused,
            seconds=round(time.monotonic() - start, 1),
        )
    put_record(store, keys.evaluation_formats(keys.evaluation_prefix(report.evaluation.key)), formats)
    return formats


def _refuse_all(reason: str) -> Export:
    return Export(exported=(), refused=dict.fromkeys(FORMAT_FILES, f"it cannot be exported: {reason}"))


def _run_exporter(work: ExportWork, folder: Path, on_event: Callable[[Event], None]) -> Export:
    run_to_end(work, folder, on_event)
    return Export.model_validate_json((work.out / files.EXPORT).read_bytes())


def _store_files(store: Store, run_key: str, export: Export, out: Path) -> tuple[ModelFormat, ...]:
    return tuple(
        ModelFormat(
            name=one.name,
            agreement=one.agreement,
            speed=one.speed,
            file=store.upload(
                out / FORMAT_FILES[one.name],
                lambda sha256, name=one.name: keys.format_file(run_key, sha256, FORMAT_FILES[name]),  # type: ignore[misc]
                is_new=True,
            ),
        )
        for one in export.exported
    )
