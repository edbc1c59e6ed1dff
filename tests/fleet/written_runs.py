"""Finished runs and versions in the store for runs that did not run, written by the code that runs use."""

import tempfile
from pathlib import Path

from tasks.labeling.in_store import check_to_store, export_to_store
from tasks.promotion.registry import Publication, publish
from tasks.records import FORMAT_FILES, PromotionDecision, RetrainRequest, SnapshotRef
from tasks.settings import RoboflowSettings
from tasks.storage.s3 import Store
from tasks.training.spec import plan
from tests.fakes.finished_runs import evaluated, exported, finished_run_of
from tests.fakes.published import now

DECISION = PromotionDecision(
    promote=False, verdict="keep", reason="Written, not run.", candidate_map=0.5, champion_map=0.5, champion_version=1
)


class WrittenRuns:
    """Writes runs; what is measured of a project's labels is measured once.

    Args:
        store: The store.
        weights_bytes: Size of the weights.
    """

    def __init__(self, store: Store, weights_bytes: int) -> None:
        self._store, self._bytes = store, weights_bytes
        self._snapshots: dict[str, SnapshotRef] = {}

    def write(self, request: RetrainRequest) -> None:
        """Write spec, state, weights, history, detections, report, formats and version of one run."""
        with tempfile.TemporaryDirectory() as name:
            folder, snapshot = Path(name), self._snapshot(request)
            spec = plan(request, snapshot, None).spec
            content = (spec.digest.encode() * (self._bytes // 64 + 1))[: self._bytes]
            model = finished_run_of(self._store, folder, spec, content)
            report = evaluated(self._store, folder, snapshot, model, 0.5)
            formats = exported(self._store, folder, report)
            weights, page = folder / "best.safetensors", folder / "page.html"
            weights.write_bytes(content)
            page.write_bytes(b"<html>")
            paths = {name: folder / file for name, file in FORMAT_FILES.items()}
            for path in paths.values():
                path.write_bytes(b"")
            publish(
                self._store, Publication(request.project, model, report, DECISION, weights, page, formats, paths), now
            )

    def _snapshot(self, request: RetrainRequest) -> SnapshotRef:
        if request.project not in self._snapshots:
            with tempfile.TemporaryDirectory() as name:
                export = export_to_store(self._store, request, RoboflowSettings, Path(name))
                self._snapshots[request.project] = check_to_store(self._store, export, Path(name))
        return self._snapshots[request.project]
