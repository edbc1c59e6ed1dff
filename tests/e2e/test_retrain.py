"""The whole chain through deployments on real servers and workers."""

import html
import json
import re
import shutil
import urllib.error
import urllib.request
from pathlib import Path

import boto3
import pytest

from tasks.promotion.registry import find_version
from tasks.records import FORMAT_FILES, ImageDetections
from tasks.storage import keys
from tasks.storage.runs import find_model
from tasks.storage.s3 import Store
from tests.e2e.stack import PLANTED, TINY, retrain


@pytest.fixture(scope="session")
def first(stack, export):
    """A first retrain run of a project, from labels to champion; tests read what it left, and change nothing."""
    return retrain(stack, export, "pets")


@pytest.fixture(scope="session")
def second(stack, first, export):
    """A second model of another project, whose champion is the first one's model."""
    assert retrain(stack, export, "judged")["training"]["run_key"] == first["training"]["run_key"]
    return retrain(stack, export, "judged", "--seed", "7")


def test_the_first_model_becomes_champion(stack, first):
    assert first["flow_run_state"] == "Completed"
    assert first["training"]["epochs_done"] == 2
    assert first["evaluation"]["split"] == "test"
    assert (first["model"]["version"], first["model"]["alias"]) == (1, "champion")
    assert first["reused"] == []
    names = list(first["steps"])
    assert names[:4] == ["wait for a worker", "start", "look for another run", "export labels"]
    assert names[-1] == "summarise"


def test_the_steps_of_its_train_run_say_where_the_time_went(first):
    steps = first["steps"]
    within = {name.removeprefix("train: "): seconds for name, seconds in steps.items() if name.startswith("train: ")}
    assert list(within) == [
        "wait for a worker", "start", "fetch images", "train", "look for a finished evaluation", "detect", "score",
        "export",
    ]  # fmt: skip
    assert 0 < sum(within.values()) <= steps["train on a GPU worker"] + 1
    assert within["detect"] < within["train"]  # the trainer has detected


def test_prefect_shows_progress_epochs_and_a_summary(stack, first):
    artifacts = stack.artifacts(first["flow_run"])
    bars = [artifact for artifact in artifacts if artifact["type"] == "progress"]
    assert any("epoch 2 of 2" in (bar["description"] or "") for bar in bars)
    tables = [artifact for artifact in artifacts if (artifact["key"] or "").startswith("epochs-")]
    epochs = max(tables, key=lambda artifact: artifact["created"])
    assert [row["epoch"] for row in json.loads(epochs["data"])] == [1, 2]
    assert "pets version 1: champion" in summary_of(stack, first)
    assert f"| train: train | {first['steps']['train: train']:.1f} |" in summary_of(stack, first)


def summary_of(stack, document):
    return next(a["data"] for a in stack.artifacts(document["flow_run"]) if a["type"] == "markdown")


def test_the_summary_links_to_a_report_that_opens(stack, first):
    link = re.search(r"\[Open the report\]\((.*?)\)", summary_of(stack, first)).group(1)
    with urllib.request.urlopen(link, timeout=30) as answer:
        assert answer.headers["Content-Type"].startswith("text/html")
        page = answer.read().decode()
    assert f"{first['evaluation']['map']:.3f}" in page


def test_the_flow_run_has_the_log_lines_of_its_steps(stack, first):
    of_this_run = {"logs": {"flow_run_id": {"any_": [first["flow_run"]]}}, "limit": 200}
    messages = [log["message"] for log in stack.api("/logs/filter", of_this_run)]
    assert any(re.match(r"published pets version 1, mAP 0\.\d+", message) for message in messages)


def test_no_secret_is_shown(stack, first):
    logs = stack.api("/logs/filter", {"limit": 200})
    runs = stack.api("/flow_runs/filter", {"limit": 200})
    deployments = stack.api("/deployments/filter", {})
    assert len(logs) > 10
    shown = json.dumps([logs, runs, deployments, stack.artifacts(first["flow_run"]), first])
    files = [path.read_text() for path in (stack.folder / "logs").iterdir()]
    for secret in (PLANTED, stack.environment["NASFLOW_STORE_SECRET_ACCESS_KEY"]):
        assert not any(secret in text for text in [shown, *files])


def test_the_store_holds_the_keys_of_the_design_and_no_open_upload(stack, first):
    hexes = "[0-9a-f]"
    patterns = [
        rf"datasets/blobs/sha256/{hexes}{{2}}/{hexes}{{64}}",
        rf"datasets/snapshots/{hexes}{{64}}\.json",
        rf"runs/{hexes}{{64}}/(spec\.json|state\.json|history/{hexes}{{16}}-history\.jsonl)",
        rf"runs/{hexes}{{64}}/scoring-\d+/(report|formats)\.json",
        rf"runs/{hexes}{{64}}/scoring-\d+/report/{hexes}{{16}}-(index|verdict|study)\.html",
        rf"runs/{hexes}{{64}}/scoring-\d+/report/{hexes}{{16}}-(report|study)\.json",
        rf"runs/{hexes}{{64}}/(detections/[\w./-]+|weights/{hexes}{{16}}-best\.safetensors)",
        rf"runs/{hexes}{{64}}/formats/{hexes}{{16}}-model(-nms|-int8)?\.(pth|onnx)",
        rf"detections/[\w-]+/\d+/images/{hexes}{{64}}\.json",
        rf"detections/[\w-]+/\d+/(annotated/{hexes}{{64}}-{hexes}{{16}}\.jpg|runs/{hexes}{{16}}-detections\.json)",
        r"cameras/[\w.-]+",  # what a test puts there, to be detected on
        r"models/[\w-]+/((\d+|aliases)/[\w.-]+|index\.html)",
        r"outcomes/[\w-]+/[\w-]+\.json",
        rf"studies/[\w-]+/{hexes}{{32}}/(trials/\d{{4}}\.json|{hexes}{{16}}-study\.(json|html))",
        rf"pretrained/{hexes}{{64}}/(manifest\.json|yolo_nas_[sml]_coco\.pth)",
    ]
    store = Store.from_environment()
    others = [key for key in store.list("") if not any(re.fullmatch(pattern, key) for pattern in patterns)]
    # Runs of other tests, which were cancelled, may go on.
    assert [
        key for key in others if not ("/checkpoints/" in key and find_model(store, key.split("/")[1]) is None)
    ] == []
    variables = stack.environment
    client = boto3.client(
        "s3",
        endpoint_url=variables["NASFLOW_STORE_ENDPOINT"],
        region_name=variables["NASFLOW_STORE_REGION"],
        aws_access_key_id=variables["NASFLOW_STORE_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["NASFLOW_STORE_SECRET_ACCESS_KEY"],
    )
    assert client.list_multipart_uploads(Bucket=variables["NASFLOW_STORE_BUCKET"]).get("Uploads", []) == []
    client.close()


def test_the_model_is_published_in_all_formats_and_can_be_pulled(stack, first, tmp_path):
    shown = stack.nasflow("models", "show", "pets", "1")
    published, refused = [one["name"] for one in shown["formats"]], shown["formats_refused"]
    assert [*published, *refused] == list(FORMAT_FILES)
    assert refused.keys() <= {"onnx-int8"}, "four images do not tell what int8 does to mAP, but nothing else differs"
    assert f"Published as {', '.join(['safetensors', *published])}." in summary_of(stack, first)
    for name in ("safetensors", *published):
        pulled = stack.nasflow("models", "pull", "pets/1", "--format", name, "--out", str(tmp_path / name))
        assert Path(pulled["file"]).stat().st_size == pulled["bytes"] > 10_000_000


def test_new_images_of_the_store_are_detected_on_once(stack, first, export):
    store, asked = Store.from_environment(), {"project": "pets", "version": 1, "prefix": "cameras/"}
    for path in sorted((export / "test").glob("*.jpg")):
        store.put(f"cameras/{path.name}", path.read_bytes())
    deployment = stack.api("/deployments/name/detect/detect")["id"]
    for new in (4, 0):
        run = stack.api(f"/deployments/{deployment}/create_flow_run", {"parameters": {"request": asked}})["id"]
        assert stack.end(run)[0] == "Completed"
        (row,) = json.loads(next(one["data"] for one in stack.artifacts(run) if one["key"] == "detect-pets"))
        assert (row["model"], row["images"], row["new"]) == ("pets/1", 4, new)
    records = store.list(keys.done_images("pets", 1))
    assert len(records) == 4
    found = [ImageDetections.model_validate_json(store.get(key)[0]) for key in records]
    assert {one.image for one in found} == {f"cameras/{path.name}" for path in (export / "test").glob("*.jpg")}
    assert all(store.exists(one.annotated.key) for one in found)


def test_its_card_has_the_labels_and_the_training(stack, first):
    card = stack.nasflow("models", "card", "pets")["card"]
    assert {split: counts["images"] for split, counts in card["data"]["splits"].items()} == {
        "train": 12, "valid": 4, "test": 4,
    }  # fmt: skip
    assert card["data"]["source"]["kind"] == "file"
    assert (card["spec"]["epochs"], card["training"]["weights_sha256"]) == (2, card["version"]["weights"]["sha256"])
    assert "torch" in card["training"]["versions"]


def test_the_same_again_trains_nothing_and_publishes_nothing(stack, first, export):
    again = retrain(stack, export, "pets")
    assert again["training"]["run_key"] == first["training"]["run_key"]
    assert again["model"] == first["model"]
    assert (again["decision"], again["reused"]) == (None, [])  # nothing was judged
    assert again["flow_run_state"] == "Skipped"
    assert again["skipped"].startswith("skipped: no label and no setting changed since version 1, the champion")
    assert stack.state(again["flow_run"]) == ("Skipped", again["skipped"])
    trained = stack.api("/flow_runs/filter", {"flows": {"name": {"any_": ["train"]}}, "limit": 50})
    specs = [run["parameters"]["job"]["spec"] for run in trained]
    assert sum(spec["seed"] == 0 and spec["epochs"] == 2 for spec in specs) == 1


def test_a_second_model_is_judged_on_the_same_images(stack, first, second):
    decision = second["decision"]
    assert second["model"]["version"] == 2
    assert decision["champion_map"] == pytest.approx(first["evaluation"]["map"])
    # With so few test images the gate cannot tell, whatever the two scores are.
    assert (decision["promote"], decision["overridden"]) == (False, None)
    assert decision["verdict"] in ("cannot tell", "keep")
    assert "4 test images" in decision["reason"]
    store = Store.from_environment()
    page = store.get(find_version(store, "judged", 2).report.key)[0].decode()
    assert decision["reason"] in html.unescape(page)


def test_a_person_may_override_the_gate_with_a_reason_which_is_kept(stack, first, export):
    for options, aliases in (([], ["champion"]), (["--seed", "7"], ["champion", None])):
        retrain(stack, export, "overridden", *options)
        models = stack.nasflow("models", "list", "--project", "overridden")["models"]
        assert [line["alias"] for line in models] == aliases
    overridden = retrain(stack, export, "overridden", "--seed", "7", "--promote-anyway", "the first one was a trial")
    assert overridden["reused"] == ["training", "evaluation"]
    assert (overridden["model"]["version"], overridden["model"]["alias"]) == (2, "champion")
    assert overridden["decision"]["overridden"] == "the first one was a trial"
    history = stack.nasflow("models", "show", "overridden")["alias_history"]
    assert history[-1]["reason"].startswith("Promoted on request (the first one was a trial). ")


def test_two_versions_are_compared_on_the_labels_of_the_second(stack, second):
    compared = stack.nasflow("models", "compare", "judged/2", "judged/1")
    assert (compared["baseline"], compared["version"], compared["left_out"]) == (2, 1, 0)
    assert compared["flow_run_state"] == "Completed"
    scores = {number: find_version(Store.from_environment(), "judged", number).scores for number in (1, 2)}
    gain = compared["gains"]["mAP, all classes"]
    assert (gain["before"], gain["after"]) == (pytest.approx(scores[2].map), pytest.approx(scores[1].map))
    with urllib.request.urlopen(compared["link"], timeout=30) as page:
        text = html.unescape(page.read().decode())
    assert "Better than version 2?" in text
    assert compared["sentence"] in text
    assert "Against the model in use" not in text
    for arguments, words in (
        (["judged/1", "judged/1"], "judged/1 and judged/1 are the same version, 1"),
        (["judged/1", "dogs/1"], "project dogs: no version 1"),
    ):
        assert words in stack.nasflow("models", "compare", *arguments, code=2)["error"]


def test_a_version_that_is_trained_again_has_the_same_weights(stack, first):
    replayed = stack.nasflow("models", "replay", "pets/1")
    assert (replayed["equal"], replayed["differences"]) == (True, [])
    assert replayed["replayed_sha256"] == first["training"]["weights_sha256"]
    assert "the same weights to the bit" in next(
        artifact["data"] for artifact in stack.artifacts(replayed["flow_run"]) if artifact["type"] == "markdown"
    )
    assert "project pets: no version 99" in stack.nasflow("models", "replay", "pets/99", code=2)["error"]


def test_diff_compares_the_labels_of_a_version_with_an_export(stack, first, export, tmp_path):
    digest = stack.nasflow("models", "show", "pets", "1")["snapshot_digest"]
    for version in ("pets/1", digest):
        assert stack.nasflow("diff", version, str(export))["same"] is True
    shutil.copytree(export, tmp_path / "fewer")
    next((tmp_path / "fewer" / "train").glob("*.jpg")).unlink()
    changes = stack.nasflow("diff", "pets/1", str(tmp_path / "fewer"), "--on-unreadable-image", "skip")
    assert (changes["same"], changes["images_removed"]["count"], changes["images_added"]["count"]) == (False, 1, 0)


def test_report_gives_a_new_link_to_the_page(stack, first):
    report = stack.nasflow("report", "pets", "1")
    with urllib.request.urlopen(report["link"], timeout=30) as answer:
        assert answer.headers["Content-Type"].startswith("text/html")
        assert f"{first['evaluation']['map']:.3f}" in answer.read().decode()


def test_a_study_reuses_the_finished_run_shows_its_curve_and_publishes_nothing(stack, first, export):
    before = stack.nasflow("models", "list", "--project", "pets")["models"]
    study = stack.nasflow("study", "--export", str(export), "--project", "pets", "--epochs", "2", *TINY)
    assert study["flow_run_state"] == "Completed"
    points = study["points"]
    assert [point["share"] for point in points] == [0.25, 0.5, 0.75, 1]
    assert [point["images"] for point in points] == [3, 6, 9, 12]
    assert points[-1]["run_key"] == first["training"]["run_key"]
    assert points[-1]["map"]["value"] == first["evaluation"]["map"]

    child_runs = stack.api("/flow_runs/filter", {"flow_runs": {"parent_flow_run_id": {"any_": [study["flow_run"]]}}})
    jobs = [child["parameters"]["job"] for child in child_runs]
    assert len({job["spec"]["snapshot_digest"] for job in jobs}) == len(jobs) == 3
    assert {job["evaluation"]["snapshot_digest"] for job in jobs} == {digest_of(stack, first)}

    summary = summary_of(stack, study)
    assert summary.startswith("# pets: more labels ")
    assert summary.count(" % | ") == 4
    with urllib.request.urlopen(study["link"], timeout=30) as answer:
        page = html.unescape(answer.read().decode())
    assert page.count(study["sentence"]) == 2
    assert "mAP by number of training images" in page
    assert stack.nasflow("models", "list", "--project", "pets")["models"] == before


def digest_of(stack, document):
    model = document["model"]
    return stack.nasflow("models", "show", model["project"], str(model["version"]))["snapshot_digest"]
