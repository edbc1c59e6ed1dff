"""The ``nasflow`` command as people and programs start it."""

import importlib.metadata
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import NamedTuple

import pytest

from deployments.demo.cartoons import draw_export
from tasks.labeling.formats import zips
from tasks.local.files import file_sha256
from tasks.records import SnapshotRef
from tasks.storage import keys
from tests.fakes.datasets import write_dataset
from tests.fakes.exports import CATEGORIES, document, numbered, write_export, write_split
from tests.fakes.finished_runs import finished_run
from tests.fakes.published import publish_one
from tests.fakes.small_disk import small_disk
from tests.fakes.terminals import read_terminal

NASFLOW = str(Path(sys.executable).with_name("nasflow"))
PRIVATE = ("NASFLOW_", "AWS_", "PREFECT_", "ROBOFLOW_")
EPOCHS = 8
"""A run of so many takes some seconds, so that it can be stopped on a busy machine, too."""
TINY = ["--epochs", str(EPOCHS), "--image-size", "64", "--batch-size", "4", "--learning-rate", "0.001"]
CLOSED = "http://127.0.0.1:9/api"


def clean_environment(folder):
    """Environment variables without settings of this machine, and with an empty home folder."""
    others = {name: value for name, value in os.environ.items() if not name.startswith(PRIVATE)}
    return {**others, "HOME": str(folder / "home"), "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false", "OMP_NUM_THREADS": "1"}  # fmt: skip


@pytest.fixture
def environment(tmp_path):
    return clean_environment(tmp_path)


@pytest.fixture
def nasflow(environment):
    """Run the command."""

    def nasflow(*arguments, **variables):
        command = [NASFLOW, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env={**environment, **variables})
        assert "Traceback" not in done.stderr
        return done

    return nasflow


@pytest.fixture(scope="module")
def tiny_export(tmp_path_factory):
    """An export on which training is fast."""
    folder = tmp_path_factory.mktemp("labels") / "pets"
    draw_export(folder, 1, train=8, valid=2, test=2, size=64)
    return folder


def error_of(done, code=2):
    """The line of an error, which is the same on stderr and in the document on stdout."""
    assert done.returncode == code, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.stderr.splitlines()[-1] == line
    content = json.loads(done.stdout)
    assert content == {"ok": False, "error": line.removeprefix("error: ")}
    return content["error"]


# Usage -------------------------------------------------------------------------------------------


def test_the_version_is_that_of_the_package(nasflow):
    done = nasflow("--version")
    assert (done.returncode, done.stdout) == (0, f"nasflow {importlib.metadata.version('nasflow')}\n")


def test_without_a_verb_the_help_is_shown(nasflow):
    for arguments in ([], ["models"], ["runs"]):
        done = nasflow(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("Usage: nasflow")
        assert len(done.stderr.splitlines()) > 5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["chekc"], "No such command 'chekc'. Did you mean 'check'?"),
        (["train"], "Missing argument 'EXPORT'"),
        (["train", "x", "--out", "y", "--epochs", "many"], "'--epochs': 'many' is not a valid int"),
        (["train", "x", "--out", "y", "--variant", "xl"], "'--variant': 'xl' is not one of 's', 'm', 'l'"),
        (["check", "x", "--no-such"], "--no-such"),
    ],
)
def test_wrong_usage_is_one_line(nasflow, arguments, words):
    assert words in error_of(nasflow(*arguments, "--json"))


# check -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_check_describes_an_export(nasflow, tmp_path, kind):
    export = write_export(tmp_path / "pets", train=4, valid=2, test=1)
    if kind == "zip":
        zips.pack(export, tmp_path / "pets.zip")
        export = tmp_path / "pets.zip"
    done = nasflow("check", export, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    content = json.loads(done.stdout)
    assert content["ok"] is True
    assert (content["format"], content["classes"]) == ("coco", ["cat", "dog"])
    assert content["splits"] == {
        "train": {"images": 4, "boxes": 4, "background": 0, "sources": 4},
        "valid": {"images": 2, "boxes": 2, "background": 0, "sources": 2},
        "test": {"images": 1, "boxes": 1, "background": 0, "sources": 1},
    }
    assert len(content["digest"]) == 64
    for finding in content["findings"]:
        assert set(finding) >= {"code", "severity", "count", "message", "examples"}


def test_a_folder_and_its_zip_are_the_same_snapshot(nasflow, tmp_path):
    export = write_export(tmp_path / "pets")
    zips.pack(export, tmp_path / "other.zip")
    digests = [json.loads(nasflow("check", p, "--json").stdout)["digest"] for p in (export, tmp_path / "other.zip")]
    assert digests[0] == digests[1]


def test_check_writes_a_page_and_diff_shows_what_changed(nasflow, tmp_path):
    before, after = write_export(tmp_path / "before"), write_export(tmp_path / "after", train=5)
    assert nasflow("check", before, "--report", tmp_path / "page.html").returncode == 0
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    done = nasflow("diff", before, after, "--json")
    assert done.returncode == 0
    document = json.loads(done.stdout)
    assert (document["same"], document["images_added"]["count"], document["images_removed"]["count"]) == (False, 1, 0)
    assert "added" in nasflow("diff", before, after).stdout
    assert "the labels are the same" in nasflow("diff", before, before).stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["check", "--class-map", "abc"], "--class-map 'abc': no OLD=NEW"),
        (["check", "--class-map", "cow=cat"], "class map: there is no class 'cow'; the labels have cat, dog"),
        (["check", "--report", "/proc/x/page.html"], "--report /proc/x/page.html: "),
        (["diff", "nowhere"], "nowhere: no such folder or zip, nor PROJECT/VERSION"),
    ],
)
def test_options_that_do_not_fit_the_labels_are_refused(nasflow, tmp_path, arguments, words):
    export = write_export(tmp_path / "export")
    assert error_of(nasflow(*arguments, export, "--json")).startswith(words)


def test_check_prints_a_table_in_which_class_names_are_no_markup(nasflow, tmp_path):
    names = ["[red]a[/red]", ":dog:", "[/nothing]"]
    categories = [CATEGORIES[0], *({"id": i, "name": n, "supercategory": "animals"} for i, n in enumerate(names, 1))]
    export = write_export(tmp_path / "pets", train=6, valid=3, categories=categories)
    done = nasflow("check", export, COLUMNS="200")
    assert done.returncode == 0
    for name in names:
        assert name in done.stdout
    assert [word for word in ("images", "boxes", "train", "valid", "6", "3") if word not in done.stdout] == []
    assert "ok, snapshot " in done.stderr


def test_errors_are_one_line_however_narrow_the_terminal(nasflow, tmp_path):
    done = nasflow("check", tmp_path / ("x" * 200), COLUMNS="40")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1


def broken_json(folder):
    (write_export(folder) / "train" / "_annotations.coco.json").write_text('{"images": [')


def not_a_zip(path):
    path.write_bytes(b"PK\x03\x04 no, it is not")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "not there"),
        (lambda path: path.mkdir(), "export"),
        (not_a_zip, "zip"),
        (broken_json, "not JSON"),
    ],
    ids=["missing", "empty", "not a zip", "broken JSON"],
)
@pytest.mark.parametrize("verb", ["check", "train"])
def test_labels_that_are_no_export_are_refused_in_one_line(nasflow, tmp_path, verb, make, words):
    make(tmp_path / "labels")
    options = ["--out", tmp_path / "out"] if verb == "train" else []
    error = error_of(nasflow(verb, tmp_path / "labels", *options, "--json"))
    assert words in error
    assert "labels" in error
    assert not (tmp_path / "out").exists()


def test_a_missing_image_is_a_finding(nasflow, tmp_path):
    export = write_export(tmp_path / "pets")
    missing = next((export / "train").glob("*.jpg"))
    missing.unlink()
    content = json.loads(nasflow("check", export, "--json").stdout)
    (finding,) = [finding for finding in content["findings"] if finding["code"] == "image-missing"]
    assert (finding["count"], finding["examples"]) == (1, [f"train/{missing.name}"])


def test_an_export_that_cannot_be_trained_on_is_bad_input(nasflow, tmp_path):
    write_split(tmp_path / "pets" / "train", document(numbered("a", 3)))
    done = nasflow("check", tmp_path / "pets", "--json")
    content = json.loads(done.stdout)
    assert (done.returncode, content["ok"], content["digest"]) == (2, False, None)
    errors = [finding["message"] for finding in content["findings"] if finding["severity"] == "error"]
    assert errors
    assert errors[0] in error_of(nasflow("train", tmp_path / "pets", "--out", tmp_path / "out", "--json"))
    for_people = nasflow("check", tmp_path / "pets")
    assert for_people.returncode == 2
    assert f"error: {errors[0]}" in for_people.stderr


# train -------------------------------------------------------------------------------------------


class TrainedRun(NamedTuple):
    """A run that was stopped by Ctrl-C in its first, and started again."""

    out: Path
    stopped: subprocess.CompletedProcess
    had_checkpoint: bool
    again: subprocess.CompletedProcess

    @property
    def result(self):
        return json.loads(self.again.stdout)


@pytest.fixture(scope="module")
def trained(tiny_export, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    out, environment = folder / "out", clean_environment(folder)
    command = [NASFLOW, "train", str(tiny_export), "--out", str(out), *TINY, "--json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        stderr: list[str] = []
        while not stderr or not stderr[-1].startswith("YOLO-NAS "):  # the first step is next
            stderr.append(process.stderr.readline())
            assert stderr[-1], "".join(stderr)
        process.send_signal(signal.SIGINT)
        stdout = process.stdout.read()
        stderr.append(process.stderr.read())
        stopped = subprocess.CompletedProcess(command, process.wait(), stdout, "".join(stderr))
    had_checkpoint = (out / "last.ckpt").exists()
    again = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    return TrainedRun(out, stopped, had_checkpoint, again)


def json_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


PROGRESS = ("warning: ", "YOLO-NAS ", "epoch ", "done; ")
"""How lines about the progress of training begin on stderr."""


def test_a_stopped_run_says_how_to_resume_it(trained):
    error = error_of(trained.stopped, code=130)
    lines = trained.stopped.stderr.splitlines()
    assert [line for line in lines if not line.startswith(PROGRESS)] == lines[-1:]
    assert error == "stopped on request in epoch 1 with a checkpoint; run the same again to go on"
    assert trained.had_checkpoint


def test_the_same_command_resumes_the_run_and_writes_its_files(trained):
    assert trained.again.returncode == 0
    assert [line for line in trained.again.stderr.splitlines() if not line.startswith(PROGRESS)] == []
    out, result = trained.out, trained.result
    assert (result["epochs_done"], result["resumed_from_epoch"]) == (EPOCHS, 0)
    assert 1 <= result["best_epoch"] <= EPOCHS
    assert result["seconds"] > 0
    assert result["images_per_second"] > 0
    assert (result["history"], result["weights"]) == (str(out / "history.jsonl"), str(out / "best.safetensors"))
    assert result["weights_sha256"] == file_sha256(out / "best.safetensors")
    assert len(result["run_key"]) == 64
    for name in ("spec.json", "history.jsonl", "last.ckpt", "best.safetensors", "result.json"):
        assert (out / name).stat().st_size > 0
    assert [line["epoch"] for line in json_lines(out / "history.jsonl")] == list(range(1, EPOCHS + 1))
    names = {"epoch", "losses", "map", "map50", "precision", "recall", "lr", "seconds"}
    assert all(names <= set(line) for line in json_lines(out / "history.jsonl"))


def test_a_disk_without_room_for_the_images_is_named(nasflow, tiny_export, tmp_path):
    with small_disk(tmp_path / "disk", "1m") as disk:
        (disk / "ballast").write_bytes(bytes(2**20 - 16384))  # spec.json goes in, the images do not
        error = error_of(nasflow("train", tiny_export, "--out", disk / "run", *TINY, "--json"), code=1)
    assert error.startswith(f"{tmp_path / 'disk' / 'run' / 'dataset'}/")
    assert error.endswith(": No space left on device; free some, and run it again")


def test_the_same_command_after_the_end_of_a_run_changes_nothing(nasflow, trained, tiny_export):
    before = {path: path.stat().st_mtime_ns for path in trained.out.glob("*.*") if path.suffix != ".log"}
    done = nasflow("train", tiny_export, "--out", trained.out, *TINY, "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, trained.result)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_folder_of_another_run_is_refused(nasflow, trained, tiny_export):
    done = nasflow("train", tiny_export, "--out", trained.out, *TINY, "--epochs", "9", "--seed", "5", "--json")
    error = error_of(done)
    assert error.startswith(f"--out {trained.out}: belongs to run ")
    assert error.endswith(
        "; they differ in epochs (8 there, 9 here), seed (0 there, 5 here); take another folder, or its options"
    )


@pytest.mark.parametrize(
    "option",
    [
        ("--image-size", "100"), ("--image-size", "32"), ("--epochs", "0"), ("--batch-size", "0"),
        ("--learning-rate", "nan"), ("--learning-rate", "-1"), ("--patience", "0"), ("--seed", "-1"),
        ("--weights", "/no/such.pth"), ("--weights", "champion"), ("--out", "/dev/null/out"), ("--out", "/dev/null"),
    ],
)  # fmt: skip
def test_an_option_with_an_impossible_value_is_named(nasflow, tiny_export, tmp_path, option):
    out = [] if option[0] == "--out" else ["--out", tmp_path / "out"]
    error = error_of(nasflow("train", tiny_export, *out, *option, "--json"))
    assert error.startswith(option[0])
    assert option[1] in error
    assert not (tmp_path / "out").exists()


def test_people_see_a_progress_bar_on_a_terminal_and_a_table_at_the_end(environment, trained, tiny_export):
    master, slave = pty.openpty()
    command = [NASFLOW, "train", str(tiny_export), "--out", str(trained.out), *TINY]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=slave, text=True, env={**environment, "TERM": "xterm"}
    ) as process:
        os.close(slave)
        shown = read_terminal(master)
        stdout = process.stdout.read()
    os.close(master)
    assert process.returncode == 0
    assert f"reading {tiny_export.name}" in shown
    assert "weights_sha256" in stdout


def test_findings_are_explained_in_lines_of_80_columns(nasflow):
    done = nasflow("check", "--explain", "box-clipped")
    assert done.returncode == 0
    assert all(word in done.stdout for word in ("box-clipped (warning)", "why it matters", "example"))
    listed = nasflow("check", "--explain", "list").stdout.splitlines()
    assert max(map(len, listed)) <= 80
    assert len(listed) == 4 + len(json.loads(nasflow("check", "--explain", "list", "--json").stdout)["findings"])


def test_an_unknown_finding_and_an_explanation_with_an_export_are_refused(nasflow, tiny_export):
    assert "the nearest are box-tiny" in error_of(nasflow("check", "--explain", "boxtiny", "--json"))
    assert "name an export to check" in error_of(nasflow("check", "--json"))
    assert "--explain CODE alone" in error_of(nasflow("check", tiny_export, "--explain", "box-tiny", "--json"))


# score -------------------------------------------------------------------------------------------


def coco_ground_truth():
    boxes = [(0, 1, (10, 10, 20, 30)), (0, 2, (50, 50, 40, 20)), (1, 1, (5, 60, 30, 30))]
    return document(["a.jpg", "b.jpg", "c.jpg"], boxes, CATEGORIES[1:])


def perfect(truth):
    return [
        {"image_id": box["image_id"], "category_id": box["category_id"], "bbox": box["bbox"], "score": 0.9}
        for box in truth["annotations"]
    ]


@pytest.fixture
def score(nasflow, tmp_path):
    def score(truth, detections, *options):
        for name, content in (("truth", truth), ("detections", detections)):
            path = tmp_path / f"{name}.json"
            path.write_text(content if isinstance(content, str) else json.dumps(content))
        return nasflow("score", "--truth", tmp_path / "truth.json", "--detections", tmp_path / "detections.json",
                       "--out", tmp_path / "out", *options)  # fmt: skip

    return score


def test_perfect_detections_score_one(score, tmp_path):
    done = score(coco_ground_truth(), perfect(coco_ground_truth()), "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert [result[name] for name in ("map", "map50", "map75")] == pytest.approx([1, 1, 1])
    assert set(result["per_class"]) == {"cat", "dog"}
    for name, truths in (("cat", 2), ("dog", 1)):
        values = result["per_class"][name]
        assert [values[key] for key in ("ap", "ap50", "precision", "recall", "truths")] == [1, 1, 1, 1, truths]
        assert 0 < values["threshold"] <= 0.9
    assert result["ci95"]["map"] == [0, 1]  # three images without an error say nothing: the rule of three
    assert 0 < result["threshold"] <= 0.9
    assert result["report"] == str(tmp_path / "out" / "report.html")
    page = (tmp_path / "out" / "report.html").read_text()
    assert "truth.json" in page
    assert page.lstrip().lower().startswith("<!doctype html>")


def test_no_detections_score_zero(score):
    result = json.loads(score(coco_ground_truth(), [], "--json").stdout)
    assert (result["map"], result["per_class"]["dog"]["recall"]) == (0, 0)
    assert result["summary"] == "No detections: all 3 labelled boxes are missed, which costs all of mAP50 (1.000)."
    assert score(coco_ground_truth(), []).stdout.startswith(result["summary"])


def test_cases_detections_by_stem_and_counted_from_0_score_one_and_say_how_they_were_read(score, tmp_path):
    truth = {**coco_ground_truth(), "categories": [{"id": 0, "name": "cat", "supercategory": "none"}, *CATEGORIES[1:]]}
    truth["categories"][1:] = [{**category, "supercategory": "cat"} for category in CATEGORIES[1:]]
    found = [
        {**box, "image_id": "abc"[box["image_id"]], "category_id": box["category_id"] - 1}
        for box in perfect(coco_ground_truth())
    ]
    result = json.loads(score(truth, found, "--json").stdout)
    assert (result["map"], list(result["per_class"])) == (1, ["cat", "dog"])
    assert [note.partition(": ")[2].partition(" (")[0] for note in result["notes"]] == [
        "parent category without a box, not a class: cat",
        "image ids read as names of files",
        "category ids read as positions of the classes from 0",
    ]
    assert "image ids read as names of files" in (tmp_path / "out" / "report.html").read_text()
    shown = score(truth, found)
    assert [line.startswith("note: ") for line in shown.stderr.splitlines()[:3]] == [True] * 3


def test_scores_are_shown_as_a_table(score):
    done = score(coco_ground_truth(), perfect(coco_ground_truth()))
    assert "mAP 1.000, mAP50 1.000, mAP75 1.000" in done.stdout
    assert "report.html" in done.stderr


@pytest.mark.parametrize(
    ("truth", "detections", "words"),
    [
        ("[", [], "truth.json: "),
        ({"images": []}, [], "truth.json: "),
        (coco_ground_truth(), "nothing", "detections.json: "),
        (
            coco_ground_truth(),
            [{"image_id": 77, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 0.5}],
            "unknown image id: 77",
        ),
        (coco_ground_truth(), [{"image_id": 0, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 50}], "[0].score"),
    ],
)
def test_bad_files_are_refused(score, tmp_path, truth, detections, words):
    assert words in error_of(score(truth, detections, "--json"))
    assert not (tmp_path / "out").exists()


def test_missing_files_and_an_unwritable_folder_are_refused(nasflow, tmp_path):
    for name, content in (("t.json", coco_ground_truth()), ("d.json", perfect(coco_ground_truth()))):
        (tmp_path / name).write_text(json.dumps(content))
    options = {"--truth": tmp_path / "t.json", "--detections": tmp_path / "d.json", "--out": tmp_path / "out"}
    for option, wrong in (("--truth", "/no/t.json"), ("--detections", "/no/d.json"), ("--out", "/dev/null/out")):
        arguments = [part for pair in {**options, option: wrong}.items() for part in pair]
        assert wrong in error_of(nasflow("score", *arguments, "--json"))


# The store and the server ------------------------------------------------------------------------


@pytest.mark.parametrize("verb", [["models", "list"], ["models", "show", "pets"], ["clean"]])
def test_without_a_store_the_variable_is_named(nasflow, verb):
    assert error_of(nasflow(*verb, "--json")).startswith("NASFLOW_STORE_ENDPOINT is empty")


def test_without_a_server_the_variable_is_named(nasflow, tmp_path, store_environment):
    export = write_export(tmp_path / "pets")
    for verb in (["retrain", "--export", export], ["study", "--export", export], ["deploy"]):
        assert error_of(nasflow(*verb, "--json", **store_environment)).startswith("PREFECT_API_URL is not set")


def test_retrain_needs_a_store_before_it_asks_the_server(nasflow, tmp_path):
    done = nasflow("retrain", "--export", write_export(tmp_path / "pets"), "--json", PREFECT_API_URL=CLOSED)
    assert error_of(done).startswith("NASFLOW_STORE_ENDPOINT is empty")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "give either --workspace with --project, or --export"),
        (["--workspace", "acme", "--export", "x"], "give either"),
        (["--workspace", "acme"], "--workspace needs --project"),
        (["--export", "x", "--project", "Pets!"], "--project: "),
        (["--export", "x", "--image-size", "65"], "--image-size: "),
        (["--export", "x", "--min-gain", "2"], "--min-gain: "),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_before_the_server_is_asked(nasflow, options, words):
    assert words in error_of(nasflow("retrain", *options, "--json"))


def test_study_takes_labels_from_the_same_places_as_retrain(nasflow):
    assert error_of(nasflow("study", "--json")).startswith("study: give either --workspace with --project, or --export")
    assert error_of(nasflow("study", "--workspace", "acme", "--json")).startswith("study: --workspace needs --project")


def test_a_server_that_does_not_answer_is_an_error_of_one_line(nasflow, store_environment):
    for verb in (["deploy"], ["retrain", "--workspace", "acme", "--project", "pets"]):
        done = nasflow(*verb, "--json", PREFECT_API_URL=CLOSED, **store_environment)
        error = error_of(done, code=1)
        assert error.startswith(CLOSED)
        assert error.endswith("is PREFECT_API_URL right, and the server up?")


@pytest.mark.parametrize("url", ["server/api", "http://ann:planted/1@server/api", "http://server:99999/api"])
def test_an_address_of_a_server_that_is_none_is_an_error_of_one_line(nasflow, url, store_environment):
    done = nasflow("runs", "list", "--json", PREFECT_API_URL=url, **store_environment)
    assert "PREFECT_API_URL is" in error_of(done)
    assert "planted" not in done.stdout + done.stderr


def test_a_published_model_is_listed_and_shown(nasflow, store, store_environment, tmp_path):
    empty = json.loads(nasflow("models", "list", "--json", **store_environment).stdout)
    assert empty == {"ok": True, "models": []}
    card = publish_one(store, tmp_path)
    (line,) = json.loads(nasflow("models", "list", "--json", **store_environment).stdout)["models"]
    assert (line["project"], line["version"], line["alias"]) == ("fruit", 1, "champion")
    assert (line["map"], line["split"], line["classes"]) == (card.scores.map, "test", ["apple", "pear"])
    for which in ([], ["champion"], ["1"]):
        shown = json.loads(nasflow("models", "show", "fruit", *which, "--json", **store_environment).stdout)
        assert (shown["version"], shown["alias"]) == (1, "champion")
        assert shown["weights"]["sha256"] == card.weights.sha256
        assert shown["weights_uri"] == store.uri(card.weights.key)
        assert [move["version"] for move in shown["alias_history"]] == [1]
    table = nasflow("models", "list", **store_environment).stdout
    assert "fruit" in table
    assert "champion" in nasflow("models", "show", "fruit", **store_environment).stdout


def test_the_page_of_a_project_is_made_linked_to_and_copied(nasflow, store, store_environment, tmp_path):
    error = error_of(nasflow("models", "page", "fruit", "--json", **store_environment))
    assert error.startswith("project fruit: no published version; `nasflow models list`")
    assert "no such name can be" in error_of(nasflow("models", "page", "../fruit", "--json", **store_environment))
    assert store.list(keys.all_models()) == []
    publish_one(store, tmp_path)
    document = json.loads(nasflow("models", "page", "fruit", "--days", "1", "--json", **store_environment).stdout)
    assert (document["ok"], document["project"]) == (True, "fruit")
    with urllib.request.urlopen(document["link"], timeout=30) as answer:
        assert answer.headers["Content-Type"].startswith("text/html")
        page = answer.read()
    assert b"nasflow report fruit 1" in page
    shown = nasflow("models", "page", "fruit", **store_environment).stderr
    assert "page: http" in shown
    assert "this link works until " in shown

    copied = nasflow("models", "page", "fruit", "--out", tmp_path / "copy", **store_environment)
    path = tmp_path / "copy" / "index.html"
    assert f"page: {path}" in copied.stderr.replace("\n", "")
    assert path.read_bytes() == page
    (tmp_path / "file").write_text("")
    refused = nasflow("models", "page", "fruit", "--out", tmp_path / "file" / "copy", "--json", **store_environment)
    assert error_of(refused).startswith(f"--out {tmp_path / 'file' / 'copy'}: ")


def test_the_card_of_a_model_whose_run_is_gone_says_so(nasflow, store, store_environment, tmp_path):
    publish_one(store, tmp_path)
    done = nasflow("models", "card", "fruit", **store_environment)
    assert done.stdout.startswith("# fruit version 1\n")
    assert "The labels are not in the store any more." in done.stdout
    document = json.loads(nasflow("models", "card", "fruit@champion", "--json", **store_environment).stdout)
    assert document["text"] == done.stdout
    assert (document["card"]["version"]["version"], document["card"]["data"]) == (1, None)


def test_the_champion_is_moved_by_hand(nasflow, store, store_environment, tmp_path):
    publish_one(store, tmp_path)
    (tmp_path / "other").mkdir()
    publish_one(store, tmp_path / "other", weights=b"others", expected=1)

    def run(*arguments):
        return nasflow("models", *arguments, **store_environment)

    back = json.loads(run("rollback", "fruit", "--why", "bad at night", "--by", "Ada", "--json").stdout)
    moved = {"ok": True, "project": "fruit", "alias": "champion", "version": 1, "before": 2, "page_problem": None}
    assert back == moved
    assert "bad at night" in store.get(keys.project_page("fruit"))[0].decode()
    error = error_of(run("rollback", "fruit", "--why", "bad, too", "--json"))
    assert error.startswith("project fruit: no champion before version 1 to go back to")
    assert "fruit: champion is version 2 now (before: 1)" in run("promote", "fruit/2", "--why", "after all").stderr
    assert "after all" in store.get(keys.project_page("fruit"))[0].decode()
    store.put(keys.model_labels("fruit", 1), b"damaged")
    again = run("promote", "fruit/2", "--why", "after all")
    assert (again.returncode, "it was it already" in again.stderr) == (0, True)
    assert "warning: the project's page is not up to date: " in again.stderr
    assert "`nasflow models page fruit` writes the page" in again.stderr
    history = json.loads(run("show", "fruit", "--json").stdout)["alias_history"]
    assert [(move["version"], move["rolled_back"]) for move in history] == [(1, None), (2, None), (1, 2), (2, None)]
    assert history[2]["by"] == "Ada"
    assert history[3]["by"]  # the user of this machine
    assert "bad at night" in run("show", "fruit").stdout

    for arguments, words in (
        (["promote", "fruit/9", "--why", "x"], "project fruit: no version 9"),
        (["promote", "fruit/1", "--why", " "], "--why: the reason is empty"),
        (["promote", "fruit/1", "--why", "x" * 501], "--why: 501 characters; at most 500 are kept"),
        (["promote", "fruit 1", "--why", "x"], "no such name can be"),
        (["rollback", "pets", "--why", "x"], "project pets: no alias champion"),
        (["rollback", "fruit"], "Missing option '--why'."),
    ):
        assert words in error_of(run(*arguments, "--json"))
    assert len(json.loads(run("show", "fruit", "--json").stdout)["alias_history"]) == 4


def test_a_model_that_is_not_published_is_bad_input(nasflow, store, store_environment, tmp_path):
    publish_one(store, tmp_path)
    for arguments in (["pets"], ["fruit", "7"], ["fruit", "0"], ["fruit", "other"]):
        error = error_of(nasflow("models", "show", *arguments, "--json", **store_environment))
        assert error.startswith(f"project {arguments[0]}: no ")
        assert "`nasflow models list`" in error
    for arguments in (["show", "fruit", "²"], ["show", "../fruit"], ["list", "--project", "../fruit"]):
        assert "no such name can be" in error_of(nasflow("models", *arguments, "--json", **store_environment))


def test_clean_removes_nothing_unless_it_is_asked_to(nasflow, store, store_environment, tmp_path):
    card = publish_one(store, tmp_path)
    state = finished_run(store, tmp_path, SnapshotRef.of(write_dataset(tmp_path / "data")), 1)
    checkpoint = keys.checkpoint_manifest(state.run_key, 1)
    store.put(checkpoint, b"left by a killed worker")
    found = json.loads(nasflow("clean", "--json", **store_environment).stdout)
    assert (found["ok"], found["removed"], found["older_than_days"], found["total"]["objects"]) == (True, False, 30, 1)
    assert found["kinds"]["checkpoints"]["size"] == 23
    shown = nasflow("clean", "--older-than", "1w", **store_environment)
    assert "23 B" in shown.stdout
    assert "older than 7 days and not needed: 1 object, 23 B; add --remove to remove it" in shown.stderr
    assert store.exists(checkpoint)

    assert "removed 1 object, 23 B" in nasflow("clean", "--remove", **store_environment).stderr
    assert not store.exists(checkpoint)
    assert "nothing is older than 30 days" in nasflow("clean", **store_environment).stderr
    assert store.exists(card.weights.key)


def test_clean_removes_nothing_when_a_record_cannot_be_read(nasflow, store, store_environment, tmp_path):
    card = publish_one(store, tmp_path)
    key = keys.model_card(card.project, card.version)
    store.put(key, b"{}")
    error = error_of(nasflow("clean", "--remove", "--json", **store_environment), 1)
    assert error.startswith(f"{store.uri(key)}: not a ModelVersion")


@pytest.mark.parametrize("age", ["0d", "30", "12h", "-1d"])
def test_clean_refuses_an_age_that_cannot_be(nasflow, store_environment, age):
    assert error_of(nasflow("clean", f"--older-than={age}", "--json", **store_environment)).startswith("--older-than")


# doctor ------------------------------------------------------------------------------------------


def test_doctor_finds_wrong_settings_and_names_remedies(nasflow, tmp_path):
    done = nasflow("doctor", "--json", NASFLOW_LEASE_SECONDS="soon", ROBOFLOW_API_KEY="", PREFECT_API_URL=CLOSED)
    assert done.returncode == 1
    content = json.loads(done.stdout)
    assert content["ok"] is False
    checks = {check["name"]: check for check in content["checks"]}
    assert list(checks) == ["python", "memory", "disk", "trainer", "store", "server", "clock", "roboflow"]
    errors = {name for name, check in checks.items() if check["status"] == "error"}
    assert errors == {"disk", "store", "server"}
    assert all(check["remedy"] for check in checks.values() if check["status"] != "ok")
    assert "NASFLOW_LEASE_SECONDS" in checks["disk"]["message"]
    assert "NASFLOW_STORE_ENDPOINT" in checks["store"]["message"]
    assert checks["store"]["remedy"] == "set the NASFLOW_STORE_ variables as docs/operating.md says, Your own store"
    assert checks["roboflow"]["status"] == "warning"
    assert "trains on cpu" in checks["trainer"]["message"] or "cuda" in checks["trainer"]["message"]


def test_doctor_accepts_a_good_store_and_shows_no_secret(nasflow, store_environment, tmp_path):
    key = "rf_Secret0Key1"
    (tmp_path / "torch.py").write_text("raise ImportError('no torch on this machine')")
    done = nasflow("doctor", "--json", **store_environment, ROBOFLOW_API_KEY=key, PYTHONPATH=str(tmp_path))
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert (checks["store"]["status"], checks["roboflow"]["status"]) == ("ok", "ok")
    assert checks["store"]["message"].startswith(f"s3://{store_environment['NASFLOW_STORE_BUCKET']}/")
    assert checks["trainer"]["status"] == "warning"
    assert "cannot train here: ImportError: no torch on this machine" in checks["trainer"]["message"]
    for secret in (key, store_environment["NASFLOW_STORE_SECRET_ACCESS_KEY"]):
        assert secret not in done.stdout + done.stderr


# Unexpected errors ----------------------------------------------------------------------------------


def test_an_unexpected_error_is_one_line_and_with_debug_a_traceback(nasflow, environment, tiny_export, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(tiny_export, tmp_path / "pets")
    (out / "dataset").mkdir(parents=True)
    (out / "dataset" / "images").write_text("a file where a folder should be")
    command = ["train", tmp_path / "pets", "--out", out, *TINY, "--json"]
    assert "`nasflow --debug` tells where" in error_of(nasflow(*command), code=1)
    debug = subprocess.run([NASFLOW, "--debug", *map(str, command)], capture_output=True, text=True, check=False,
                           env=environment)  # fmt: skip
    assert "Traceback" in debug.stderr
    assert json.loads(debug.stdout)["ok"] is False
