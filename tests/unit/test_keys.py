"""Keys sort by epoch, differ by content, and are plain paths."""

import inspect
import subprocess
import sys

import pytest

from tasks.storage import keys

SHA, OTHER, RUN = "ab" * 32, "cd" * 32, "ef" * 32
FOLDER = keys.evaluation(RUN, SHA, OTHER, "recall", 1)
KEYS = {
    keys.blob: (SHA,),
    keys.snapshot: (SHA,),
    keys.version_count: ("acme", "pets", 3),
    keys.run_spec: (RUN,),
    keys.run_state: (RUN,),
    keys.run_waiting: (RUN,),
    keys.run_history: (RUN, SHA),
    keys.run_weights: (RUN, SHA),
    keys.checkpoint_file: (RUN, 3, SHA, "last.ckpt"),
    keys.checkpoint_manifest: (RUN, 3),
    keys.detections: (RUN, SHA, OTHER),
    keys.detection_result: (RUN, SHA, OTHER, "test", 1),
    keys.report_page: (FOLDER, "verdict", SHA),
    keys.evaluation_report: (FOLDER,),
    keys.evaluation_numbers: (FOLDER, SHA),
    keys.evaluation_formats: (FOLDER,),
    keys.format_file: (RUN, SHA, "model.onnx"),
    keys.page_record: (FOLDER, "study", SHA),
    keys.pretrained_file: (SHA, "yolo_nas_s_coco.pth"),
    keys.pretrained_manifest: (SHA,),
    keys.model_claim: ("p", 1),
    keys.model_card: ("p", 1),
    keys.model_file: ("p", 1, "model.onnx"),
    keys.model_labels: ("p", 1),
    keys.model_alias: ("p", "champion"),
    keys.image_detections: ("p", 1, SHA),
    keys.annotated_image: ("p", 1, SHA, OTHER),
    keys.new_detections: ("p", 1, SHA),
    keys.project_page: ("p",),
    keys.project_index: ("p",),
    keys.sent_image: ("acme", "pets", SHA),
    keys.study_trial: ("pets", SHA, 3),
    keys.study_numbers: ("pets", SHA, OTHER),
    keys.study_page: ("pets", SHA, OTHER),
    keys.outcome: ("pets", "0b5a-77"),
    keys.returned_image: ("acme", "pets", SHA, OTHER),
    keys.probe: (SHA,),
}
"""Every function that makes the key of an object, with arguments."""
PREFIXES = {
    keys.blobs: (),
    keys.snapshots: (),
    keys.all_runs: (),
    keys.probes: (),
    keys.run: (RUN,),
    keys.checkpoints: (RUN,),
    keys.formats: (RUN,),
    keys.evaluation: (RUN, SHA, OTHER, "recall", 1),
    keys.evaluation_prefix: (keys.evaluation_numbers(FOLDER, SHA),),
    keys.all_pretrained: (),
    keys.all_models: (),
    keys.models: ("p",),
    keys.all_detections: (),
    keys.done_images: ("p", 1),
    keys.sent_images: ("acme", "pets"),
    keys.study: ("pets", SHA),
    keys.study_trials: ("pets", SHA),
    keys.returned_images: ("acme", "pets"),
}
"""Every function that makes a prefix."""


def test_every_function_is_listed_here():
    functions: set[object] = {
        function for name, function in inspect.getmembers(keys, inspect.isfunction) if name[0] != "_"
    }
    assert functions == {*KEYS, *PREFIXES}


@pytest.mark.parametrize("make", KEYS, ids=lambda make: make.__name__)
def test_a_key_has_no_empty_or_relative_part(make):
    key = make(*KEYS[make])
    assert not key.startswith("/")
    assert not key.endswith("/")
    assert all(part not in ("", ".", "..") for part in key.split("/"))
    assert len(key) < 900


@pytest.mark.parametrize("make", PREFIXES, ids=lambda make: make.__name__)
def test_a_prefix_ends_at_a_part(make):
    prefix = make(*PREFIXES[make])
    assert prefix.endswith("/")
    assert all(part not in ("", ".", "..") for part in prefix[:-1].split("/"))


def test_checkpoints_sort_by_epoch():
    manifests = [keys.checkpoint_manifest(RUN, epoch) for epoch in (1, 2, 9, 10, 99, 100, 10_000)]
    assert manifests == sorted(manifests)
    assert all(key.startswith(keys.checkpoints(RUN)) for key in manifests)


def test_different_content_has_different_keys():
    assert keys.checkpoint_file(RUN, 1, SHA, "a") != keys.checkpoint_file(RUN, 1, OTHER, "a")
    assert keys.run_weights(RUN, SHA) != keys.run_weights(RUN, OTHER)
    assert keys.run_history(RUN, SHA) != keys.run_history(RUN, OTHER)
    assert keys.blob(SHA) != keys.blob(OTHER)
    prefix = keys.run(RUN)
    assert keys.evaluation_numbers(prefix, SHA) != keys.evaluation_numbers(prefix, OTHER)
    assert keys.report_page(prefix, "verdict", SHA) != keys.report_page(prefix, "verdict", OTHER)
    assert keys.report_page(prefix, "verdict", SHA) != keys.report_page(prefix, "study", SHA)
    assert keys.page_record(prefix, "study", SHA) != keys.page_record(prefix, "study", OTHER)
    assert keys.page_record(prefix, "study", SHA) != keys.page_record(prefix, "comparison", SHA)


def test_a_run_has_its_own_report_and_one_for_each_later_snapshot():
    assert keys.evaluation_report(keys.evaluation(RUN, SHA, SHA, "balance", 2)) == f"runs/{RUN}/scoring-2/report.json"
    later = keys.evaluation(RUN, OTHER, SHA, "balance", 2)
    assert keys.evaluation_report(later) == f"runs/{RUN}/detections/{OTHER}/scoring-2/report.json"


def test_reports_and_detections_from_before_scorings_had_numbers_are_where_they_were():
    assert keys.evaluation_report(keys.evaluation(RUN, SHA, SHA, "balance", 0)) == f"runs/{RUN}/report.json"
    later = keys.evaluation(RUN, OTHER, SHA, "recall", 0)
    assert keys.evaluation_report(later) == f"runs/{RUN}/detections/{OTHER}/recall/report.json"
    result = f"runs/{RUN}/detections/{SHA}-{OTHER[:16]}-test"
    assert keys.detection_result(RUN, SHA, OTHER, "test", 0) == f"{result}.json"
    assert keys.detection_result(RUN, SHA, OTHER, "test", 1) == f"{result}-scoring-1.json"


@pytest.mark.parametrize("measured_on", [SHA, OTHER])
@pytest.mark.parametrize("threshold_for", ["balance", "recall"])
@pytest.mark.parametrize("scoring", [0, 1])
def test_the_prefix_of_an_evaluation_is_found_from_its_numbers(measured_on, threshold_for, scoring):
    prefix = keys.evaluation(RUN, measured_on, SHA, threshold_for, scoring)
    assert keys.evaluation_prefix(keys.evaluation_numbers(prefix, OTHER)) == prefix


def test_importing_keys_loads_no_boto3():
    code = "import sys, tasks.storage.keys; sys.exit('boto3' in sys.modules or 'botocore' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
