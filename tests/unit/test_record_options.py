"""Options of verbs that come from the fields of records: names, defaults, and what becomes of their values."""

import click
import pytest
import typer

from deployments.cli.main import app
from deployments.cli.option_values import record_from, request_from, settings_from
from deployments.cli.record_options import options_of
from deployments.cli.study import divide
from tasks.errors import BadRequest
from tasks.records import GatePolicy, LabelRules, RetrainRequest, SettingsSpace
from tasks.settings import WorkSettings

LABELS = [
    "--class-map", "--on-unreadable-image", "--max-unreadable-images", "--orientation", "--background",
    "--double-boxes", "--annotator",
]  # fmt: skip
TRAINING = [
    "--variant", "--epochs", "--image-size", "--batch-size", "--learning-rate", "--augmentation", "--patience",
    "--seed", "--weights", "--weights-sha256", "--weights-licence", "--accept-licence",
]  # fmt: skip
MACHINE = ["--devices", "--precision", "--checkpoint-every-minutes", "--compile"]
ROBOFLOW = ["--project", "--workspace", "--version", "--generate-after", "--query"]
SENT = ["--export", "--wait", "--threshold-for"]
GATE = [
    "--promote-anyway", "--ask", "--ask-hours", "--min-gain", "--confidence-level", "--min-images", "--min-ap",
    "--max-latency-ms", "--max-file-mb",
]  # fmt: skip
ALL_VERBS = ["--json", "--help"]


def verbs_of(group):
    assert isinstance(group, click.Group)
    return group.commands


@pytest.fixture
def parse():
    """What a verb makes of its arguments: the values of its options by name."""
    verbs = verbs_of(typer.main.get_command(app))

    def parse(verb, *arguments):
        return verbs[verb].make_context(verb, list(arguments)).params

    return parse


@pytest.mark.parametrize(
    ("verb", "expected"),
    [
        ("check", ["--report", "--explain", "--image-size", *LABELS]),
        ("diff", LABELS),
        ("detect", ["--out", "--threshold", "--tile", "--precision"]),
        ("suggest", ["--out", "--upload", "--threshold", "--tile", "--precision", "--budget"]),
        ("relabel", ["--out", "--upload", "--budget"]),
        ("train", ["--out", *LABELS, *TRAINING, *MACHINE]),
        ("retrain", [*ROBOFLOW, *SENT, *LABELS, *TRAINING, *GATE]),
        ("study", [*ROBOFLOW, *SENT, *LABELS, *TRAINING, "--variants", "--image-sizes", "--trials"]),
    ],
)
def test_a_verb_has_these_options(verb, expected):
    command = verbs_of(typer.main.get_command(app))[verb]
    context = typer.Context(command)
    options = [flag for one in command.get_params(context) for flag in one.opts if flag.startswith("--")]
    assert sorted(options) == sorted([*expected, *ALL_VERBS])
    assert options[-2:] == ALL_VERBS


def test_setting_a_schedule_has_the_options_of_retrain_and_those_of_times():
    command = verbs_of(verbs_of(typer.main.get_command(app))["schedule"])["set"]
    options = {option for parameter in command.get_params(typer.Context(command)) for option in parameter.opts}
    request = {*ROBOFLOW, *SENT, *LABELS, *TRAINING, *GATE, *ALL_VERBS} - {"--project", "--wait"}
    assert {option for option in options if option.startswith("--")} == {*request, "--cron", "--every", "--timezone"}


def test_options_that_are_left_out_make_the_request_of_the_defaults(parse):
    values = parse("retrain", "--project", "pets")
    options = [*options_of(RetrainRequest), *options_of(GatePolicy)]
    request = request_from({option.name: values[option.name] for option in options})
    assert request == RetrainRequest(project="pets")


def test_every_option_has_the_description_of_its_field_as_help():
    for option in options_of(RetrainRequest):
        description = RetrainRequest.model_fields[str(option.name)].description
        assert description
        assert str(option.help).startswith(description)


def test_values_reach_the_field_of_their_option(parse):
    values = parse(
        "retrain", "--class-map", "Cat=cat", "--class-map", "cow=", "--batch-size", "8", "--learning-rate", "0.01",
        "--patience", "auto", "--augmentation", "strong", "--min-ap", "cat=0.5", "--min-gain", "0.1", "--project", "a",
    )  # fmt: skip
    options = [*options_of(RetrainRequest), *options_of(GatePolicy)]
    request = request_from({option.name: values[option.name] for option in options})
    assert request == RetrainRequest(
        project="a", class_map={"Cat": "cat", "cow": ""}, batch_size=8, learning_rate=0.01, augmentation="strong",
        gate=GatePolicy(min_ap={"cat": 0.5}, min_gain=0.1),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"project": "Pets!"}, "--project: String should match"),
        ({"project": "a", "image_size": 65}, "--image-size: Input should be a multiple of 32, got 65"),
        ({"project": "a", "batch_size": "many"}, "--batch-size: .*got many"),
        ({"project": "a", "confidence_level": 1.0}, "--confidence-level: Input should be less than 1, got 1.0"),
        ({"project": "a", "min_ap": {"cat": "7"}}, "--min-ap: .*got 7"),
    ],
)
def test_a_value_outside_the_limits_is_refused_with_the_name_of_its_option(values, message):
    with pytest.raises(BadRequest, match=f"^{message}"):
        request_from(values)


def test_label_rules_are_checked_like_requests():
    with pytest.raises(BadRequest, match="--max-unreadable-images: Input should be less than or equal to 1, got 2"):
        record_from(LabelRules, {"max_unreadable_images": 2.0})


@pytest.mark.parametrize(
    ("option", "pair"), [("--class-map", "abc"), ("--class-map", "=cat"), ("--min-ap", "cat"), ("--min-ap", "cat=high")]
)
def test_a_pair_without_both_of_its_parts_is_refused(parse, option, pair):
    with pytest.raises(BadRequest, match=f"^{option} '{pair}': no "):
        parse("retrain", option, pair)


def test_an_option_of_this_machine_wins_over_the_environment(monkeypatch):
    monkeypatch.setenv("NASFLOW_DEVICES", "2")
    monkeypatch.setenv("NASFLOW_PRECISION", "fp16")
    settings = settings_from(WorkSettings, {"devices": 4, "precision": None})
    assert (settings.devices, settings.precision) == (4, "fp16")
    with pytest.raises(BadRequest, match="--devices: Input should be greater than or equal to 1, got 0"):
        settings_from(WorkSettings, {"devices": 0})


def test_one_value_of_a_list_is_that_of_the_request_and_several_are_tried(parse):
    common, to_try = divide(study_values(parse, "--variant", "m", "--epochs", "30, 100"))
    assert (common["variant"], common["image_size"], to_try) == ("m", "640", {"trials": None, "epochs": ["30", "100"]})
    assert record_from(SettingsSpace, to_try).epochs == (30, 100)


def test_a_study_without_lists_is_one_of_the_labels(parse):
    common, to_try = divide(study_values(parse))
    assert record_from(SettingsSpace, to_try).is_empty
    assert request_from({**common, "project": "pets"}) == RetrainRequest(project="pets")


def study_values(parse, *arguments):
    values = parse("study", *arguments)
    return {name: values[name] for name in values if name not in ("export", "wait", "as_json", "project")}
