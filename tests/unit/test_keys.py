"""Keys sort by epoch, differ by content, and are plain paths."""

import subprocess
import sys

import pytest

from tasks.storage import keys

SHA, OTHER, RUN = "ab" * 32, "cd" * 32, "ef" * 32


@pytest.mark.parametrize(
    "key",
    [
        keys.blob(SHA),
        keys.snapshot(SHA),
        keys.version_count("acme", "pets", 3),
        keys.run_spec(RUN),
        keys.run_state(RUN),
        keys.run_waiting(RUN),
        keys.run_history(RUN),
        keys.run_weights(RUN, SHA),
        keys.checkpoint_file(RUN, 3, SHA, "last.ckpt"),
        keys.checkpoint_manifest(RUN, 3),
        keys.detections(RUN, SHA, OTHER),
        keys.evaluation_page(keys.evaluation(RUN, SHA, SHA, "balance")),
        keys.evaluation_page(keys.evaluation(RUN, SHA, OTHER, "balance")),
        keys.evaluation_report(keys.evaluation(RUN, SHA, SHA, "balance")),
        keys.evaluation_report(keys.evaluation(RUN, SHA, OTHER, "recall")),
        keys.model_claim("p", 1),
        keys.model_card("p", 1),
        keys.model_file("p", 1, "model.onnx"),
        keys.model_alias("p", "champion"),
    ],
)
def test_a_key_has_no_empty_or_relative_part(key):
    assert not key.startswith("/")
    assert not key.endswith("/")
    assert all(part not in ("", ".", "..") for part in key.split("/"))
    assert len(key) < 900


def test_checkpoints_sort_by_epoch():
    manifests = [keys.checkpoint_manifest(RUN, epoch) for epoch in (1, 2, 9, 10, 99, 100, 10_000)]
    assert manifests == sorted(manifests)
    assert all(key.startswith(keys.checkpoints(RUN)) for key in manifests)


def test_different_content_has_different_keys():
    assert keys.checkpoint_file(RUN, 1, SHA, "a") != keys.checkpoint_file(RUN, 1, OTHER, "a")
    assert keys.run_weights(RUN, SHA) != keys.run_weights(RUN, OTHER)
    assert keys.blob(SHA) != keys.blob(OTHER)


def test_a_run_has_its_own_report_and_one_for_each_later_snapshot():
    assert keys.evaluation_report(keys.evaluation(RUN, SHA, SHA, "balance")) == f"runs/{RUN}/report.json"
    assert keys.evaluation_page(keys.evaluation(RUN, SHA, SHA, "balance")) == f"runs/{RUN}/report/index.html"
    assert keys.evaluation_numbers(keys.evaluation(RUN, OTHER, SHA, "balance")) != keys.evaluation_report(
        keys.evaluation(RUN, SHA, SHA, "balance")
    )


def test_importing_keys_loads_no_boto3():
    code = "import sys, tasks.storage.keys; sys.exit('boto3' in sys.modules or 'botocore' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
