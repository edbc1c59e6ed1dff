"""Keys sort by epoch, differ by content, and hold nothing that a store would read otherwise."""

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
def test_keys_are_plain(key):
    assert not key.startswith("/")
    assert not key.endswith("/")
    assert all(part not in ("", ".", "..") for part in key.split("/"))
    assert len(key) < 900


def test_checkpoints_sort_by_epoch():
    made = [keys.checkpoint_manifest(RUN, epoch) for epoch in (1, 2, 9, 10, 99, 100, 10_000)]
    assert made == sorted(made)
    assert all(key.startswith(keys.checkpoints(RUN)) for key in made)


def test_other_content_has_another_key():
    assert keys.checkpoint_file(RUN, 1, SHA, "a") != keys.checkpoint_file(RUN, 1, OTHER, "a")
    assert keys.run_weights(RUN, SHA) != keys.run_weights(RUN, OTHER)
    assert keys.blob(SHA) != keys.blob(OTHER)


def test_a_run_has_a_report_of_its_own_and_one_for_each_later_snapshot():
    assert keys.evaluation_report(keys.evaluation(RUN, SHA, SHA, "balance")) == f"runs/{RUN}/report.json"
    assert keys.evaluation_page(keys.evaluation(RUN, SHA, SHA, "balance")) == f"runs/{RUN}/report/index.html"
    assert keys.evaluation_numbers(keys.evaluation(RUN, OTHER, SHA, "balance")) != keys.evaluation_report(
        keys.evaluation(RUN, SHA, SHA, "balance")
    )


def test_keys_alone_load_no_boto3():
    code = "import sys, tasks.storage.keys; sys.exit('boto3' in sys.modules or 'botocore' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
