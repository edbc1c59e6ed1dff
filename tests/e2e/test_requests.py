"""Requests that are refused or fail before anything is trained."""

import urllib.error

import pytest

from tasks.records import COCO_LICENCE
from tests.fakes.waiting import wait_for


def test_a_request_with_an_unknown_key_or_a_wrong_type_is_refused(stack):
    deployment = stack.api("/deployments/name/retrain/retrain")
    path = f"/deployments/{deployment['id']}/create_flow_run"
    valid = {"project": "refused"}
    for parameters in (
        {"request": {**valid, "epoch": 3}},
        {"request": {**valid, "epochs": "many"}},
        {"request": {"project": "Refused!"}},
        {"request": valid, "epochs": 3},
    ):
        with pytest.raises(urllib.error.HTTPError) as refused:
            stack.api(path, {"parameters": parameters})
        refused.value.close()
        assert refused.value.code == 409


def test_a_request_over_the_api_that_names_no_labels_fails_with_one_clear_line(stack):
    deployment = stack.api("/deployments/name/retrain/retrain")
    path = f"/deployments/{deployment['id']}/create_flow_run"
    run = stack.api(path, {"parameters": {"request": {"project": "nothing"}}})["id"]
    _, message = wait_for(lambda: (state := stack.state(run))[0] == "Failed" and state)
    assert "labels come from a Roboflow workspace or from an export, got neither; give one of the two" in message


def test_a_request_for_coco_weights_without_their_licence_fails_with_its_address(stack):
    request = {"project": "without-licence", "workspace": "acme", "weights": "coco"}
    deployment = stack.api("/deployments/name/retrain/retrain")
    run = stack.api(f"/deployments/{deployment['id']}/create_flow_run", {"parameters": {"request": request}})["id"]
    _, message = wait_for(lambda: (state := stack.state(run))[0] == "Failed" and state)
    assert f"weights coco have a licence ({COCO_LICENCE}); read it, and set this if you accept it" in message


def test_bad_labels_fail_the_run_with_what_and_remedy(stack, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "note.txt").write_text("no labels here")
    done = stack.run("retrain", "--export", str(tmp_path / "empty"), "--project", "empty")
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "Failed: BadExport: " in last
    assert "Traceback" not in done.stderr
