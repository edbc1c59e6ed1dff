"""Exporting a model from the store to the store, by a real exporter process; and publishing what came of it."""

import re
import signal
from datetime import UTC, datetime
from functools import partial

import onnx
import onnxruntime
import psutil
import pytest
import torch

from tasks.errors import WorkerLost
from tasks.local.files import file_sha256
from tasks.promotion.model_files import fetch_formats
from tasks.promotion.registry import Publication, publish
from tasks.records import FORMAT_FILES, BestEpoch, PromotionDecision
from tasks.settings import WorkSettings
from tasks.storage import keys
from tasks.storage.runs import find_formats
from tasks.training.export_in_store import export_in_store
from tests.fakes.finished_runs import evaluated, finished_run, stored_labels
from tests.fakes.libraries import imported
from tests.fakes.trainer_processes import kind_of_job

SEED = 5
"""With its weights mAP is 0.0003 here. Other weights have more by chance, and rounding moves it by over 0.001."""


class Cancelled(BaseException):
    """What is raised when a flow run is cancelled."""


@pytest.fixture
def measured(store, tmp_path, monkeypatch):
    """A finished run with a network of random weights, and its report."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    labels = stored_labels(store, tmp_path)
    spec = finished_run(store, tmp_path, labels, seed=1).spec
    build_network = imported("tasks.training.worker.model.network", tmp_path).build_network
    torch.manual_seed(SEED)
    network = build_network("s", len(spec.classes))
    write = imported("tasks.training.worker.model.weights_writer", tmp_path).write_weights
    small = spec.model_copy(update={"image_size": 64})
    write(tmp_path / "best", network.state_dict(), small, BestEpoch(epoch=1, map=0.5, valid_loss=1))
    model = finished_run(store, tmp_path, labels, seed=1, weights=(tmp_path / "best").read_bytes())
    return model, evaluated(store, tmp_path, labels, model, share=0.5)


def test_a_stopped_export_is_done_again_and_published(store, measured, tmp_path):
    model, report = measured
    export = partial(export_in_store, store, report, WorkSettings(work_dir=tmp_path / "work"))

    def stop_at_first_event(event):
        raise Cancelled

    with pytest.raises(Cancelled):
        export(stop_at_first_event)
    assert find_formats(store, report) is None
    assert list((tmp_path / "work" / "scratch").iterdir()) == []

    formats = export(lambda event: None)
    assert find_formats(store, report) == formats
    assert (list(FORMAT_FILES), {}) == ([one.name for one in formats.formats], formats.refused)
    assert all(one.agreement.images == 12 for one in formats.formats)
    # A network of random weights has no mAP to lose.
    (speed,) = (one.speed for one in formats.formats if one.speed)
    assert formats.formats[-1].speed is speed
    assert re.fullmatch(r"openvino 20\d\d\.\S+", speed.runtime)
    assert (speed.threads, speed.latency_ms > 0, speed.fp32_latency_ms > 0) == (1, True, True)
    # Each threshold has files that name it.
    other = report.model_copy(update={"scores": report.scores.model_copy(update={"threshold": 0.123})})
    assert find_formats(store, other) is None

    card = publish_formats(store, model, report, formats, tmp_path / "published")
    assert list(card.files) == ["safetensors", *FORMAT_FILES]
    for name, stored in card.files.items():
        path = tmp_path / "pulled" / name
        store.download(stored, path)
        if name.startswith("onnx"):
            assert_names_its_version(path)
        assert stored.key.startswith(keys.models("pets"))
        assert file_sha256(path) == stored.sha256

    store.delete([formats.formats[0].file.key])
    assert find_formats(store, report) is None


def publish_formats(store, model, report, formats, folder):
    paths = fetch_formats(store, formats.formats, folder)
    store.download(model.weights, folder / "weights.safetensors")
    (folder / "page.html").write_bytes(b"<html>")
    decision = PromotionDecision(
        promote=True, verdict="promote", reason="First.", candidate_map=0.5, champion_map=None, champion_version=None
    )
    publication = Publication(
        "pets", model, report, decision, folder / "weights.safetensors", folder / "page.html", formats, paths
    )
    return publish(store, publication, lambda: datetime.now(UTC))


def assert_names_its_version(path):
    metadata = onnxruntime.InferenceSession(str(path)).get_modelmeta().custom_metadata_map
    assert (metadata["project"], metadata["version"]) == ("pets", "1")
    assert metadata["classes"] == '["cat", "dog"]'
    onnx.checker.check_model(str(path))


def test_weights_that_cannot_be_exported_are_a_reason_and_no_error(store, tmp_path):
    labels = stored_labels(store, tmp_path)
    model = finished_run(store, tmp_path, labels, seed=1)
    report = evaluated(store, tmp_path, labels, model, share=0.5)
    formats = export_in_store(store, report, WorkSettings(work_dir=tmp_path / "work"), lambda event: None)
    assert (formats.formats, list(formats.refused)) == ((), list(FORMAT_FILES))
    assert all("it cannot be exported: weights " in reason for reason in formats.refused.values())
    assert find_formats(store, report) == formats


@pytest.mark.usefixtures("kernel_kills_alone")
def test_an_exporter_that_crashes_is_a_reason_and_one_that_is_killed_is_not(store, measured, tmp_path):
    _, report = measured
    export = partial(export_in_store, store, report, WorkSettings(work_dir=tmp_path / "work"))

    def end_by(number):
        def end_at_first_event(event):
            (exporter,) = (one for one in psutil.Process().children() if kind_of_job(one) == "export")
            exporter.send_signal(number)

        return end_at_first_event

    with pytest.raises(WorkerLost, match="killed by SIGKILL"):
        export(end_by(signal.SIGKILL))
    assert find_formats(store, report) is None
    formats = export(end_by(signal.SIGSEGV))
    assert set(formats.refused.values()) == {"it cannot be exported: its process crashed with SIGSEGV"}
    assert find_formats(store, report) == formats
