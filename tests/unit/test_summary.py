"""The outcome in Markdown as a reader parses it: all figures are there, and no class name breaks it."""

import pytest
from markdown_it import MarkdownIt

from tasks.promotion.summary import class_rows, headline, kind_of, outcome_markdown, steps_markdown
from tasks.records import (
    ClassScore,
    EvaluationReport,
    GateCheck,
    ModelVersion,
    PromotionDecision,
    RetrainOutcome,
    SnapshotRef,
    SplitCounts,
    StoredFile,
    TrainedModel,
    TrainingResult,
    TrainingSpec,
)
from tests.fakes.scores import scores, speed

SHA = "0123456789abcdef" * 4
LINK = "https://store.test/b/report.html?X-Amz-Signature=abc&X-Amz-Expires=1"
PAGE = "https://store.test/b/index.html?X-Amz-Signature=def"
PLAIN = ClassScore(ap=0.111, ap50=0.222, precision=0.333, recall=0.444, threshold=0.5, truths=55)
UNSEEN = ClassScore(ap=None, ap50=None, precision=None, recall=None, threshold=None, truths=0)


def outcome_of(
    per_class, *, promote=True, verdict="promote", overridden=None, answer=None, ended="epochs", refused=None,
    reason="First model: mAP 0.6 on 3 test images.",
):  # fmt: skip
    classes = tuple(per_class)
    file = StoredFile(key="models/pets/000004/report.html", sha256=SHA, size=1)
    counts = SplitCounts(images=31, boxes=47, background=2)
    spec = TrainingSpec(
        snapshot_digest=SHA, classes=classes, variant="m", epochs=9, image_size=64, batch_size=2, learning_rate=1e-3,
        patience=2, seed=0,
    )  # fmt: skip
    result = TrainingResult(
        run_key=SHA, epochs_done=8, best_epoch=6, best_map=0.6, ended=ended, seconds=125.4, images_per_second=12.34,
        weights_sha256=SHA, resumed_from_epoch=None, device="cuda bf16-mixed",
    )  # fmt: skip
    measured = scores(
        0.61234, map50=0.71234, map75=0.81234, ar=0.65432, precision=0.91234, recall=0.51234, f1=0.65678,
        threshold=0.41, threshold_from="valid", per_class=per_class, ci95={"map": (0.51111, 0.71111)},
    )  # fmt: skip
    decision = PromotionDecision(
        promote=promote, verdict=verdict, reason=reason, candidate_map=0.6, champion_map=None, champion_version=None,
        overridden=overridden, answer=answer,
        checks=(GateCheck(name="a", passed=None, text="AP of <b>cat</b> | dog is open."),),
    )  # fmt: skip
    return RetrainOutcome.model_construct(
        snapshot=SnapshotRef(
            snapshot_digest=SHA, classes=classes, splits={"train": counts, "test": counts}, findings=()
        ),
        model=TrainedModel(run_key=SHA, spec=spec, result=result, weights=file, history=file),
        report=EvaluationReport(
            weights_sha256=SHA, run_key=SHA, snapshot_digest=SHA, split="test", counts=counts, scores=measured,
            detections=file, evaluation=file, speed=speed(),
        ),
        decision=decision,
        version=ModelVersion.model_construct(
            project="pets", version=4, report=file, weights=file, formats_refused=refused or {}
        ),
        alias=None,
    )  # fmt: skip


def summary(per_class, **changes):
    return outcome_markdown(outcome_of(per_class, **changes), LINK, PAGE, "works until 2026-12-04 14:02 UTC", {})


def cells(text):
    """Rows of all tables, as cells of plain text; anything that is not plain text is an error."""
    rows: list[list[str]] = []
    kinds = set()
    for token in MarkdownIt("commonmark", {"html": True}).enable("table").parse(text):
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline" and token.level >= 4 and rows:
            kinds |= {child.type for child in token.children}
            rows[-1].append("".join(child.content for child in token.children if child.type.startswith("text")))
    assert kinds <= {"text", "text_special", "strong_open", "strong_close"}
    return rows


def test_all_figures_are_shown():
    text = summary({"cat": PLAIN, "dog": UNSEEN})
    rows = cells(text)
    assert ["", "0.612", "0.712", "0.812", "0.654", "0.912", "0.512", "0.657"] in rows
    assert ["95 % interval", "0.511 to 0.711"] + ["\N{EN DASH}"] * 6 in rows
    assert ["cat", "55", "0.111", "0.222", "0.333", "0.444"] in rows
    assert ["dog", "0"] + ["\N{EN DASH}"] * 4 in rows
    for figure in (
        "pets version 4: champion", "test split: 31 images, 47 boxes", "31 train, 31 test images",
        "YOLO-NAS m, 8 epochs (all done), best epoch 6, 125 s at 12.3 images/s on cuda bf16-mixed", SHA[:12],
        f"[Open the report]({LINK})", f"[All versions of pets]({PAGE}) (`nasflow models page pets` gives another link)",
        "this link works until 2026-12-04 14:02 UTC;",
        "`models/pets/000004/report.html`", "First model: mAP 0.6",
        "at confidence threshold 0.41 and IoU 0.50; the threshold was chosen on the valid split.",
        "One image takes 20.0 ms on cpu fp32.",
        "- open: AP of &#60;b&#62;cat&#60;/b&#62; &#124; dog is open.",
    ):  # fmt: skip
        assert figure in text


@pytest.mark.parametrize(("min_score", "what"), [(None, "No detections"), (0.01, "Detections, but none fits")])
def test_cases_a_model_that_finds_nothing_says_so_before_the_decision(min_score, what):
    outcome = outcome_of({"cat": PLAIN})
    nothing = {"map": 0, "map50": 0, "map75": 0, "precision": 0, "recall": 0, "f1": 0, "min_score": min_score}
    report = outcome.report.model_copy(update={"scores": outcome.report.scores.model_copy(update=nothing)})
    text = outcome_markdown(outcome.model_copy(update={"report": report}), LINK, PAGE, "works", {})
    title, line, decision = (line for line in text.splitlines()[:5] if line)
    assert title.startswith("# pets version 4")
    assert line == f"{what}: all 55 labelled boxes are missed, which costs all of mAP50 (1.000)."
    assert decision.startswith("First model")


def test_a_page_that_could_not_be_written_is_told_with_the_remedy():
    text = outcome_markdown(outcome_of({"cat": PLAIN}), LINK, None, "works until 2026-12-04 14:02 UTC", {})
    assert "The page with all versions could not be written; `nasflow models page pets` writes it." in text
    assert "All versions of pets" not in text


def test_runs_of_the_same_settings_by_older_recipes_are_named():
    outcome = outcome_of({"cat": PLAIN})
    older = outcome_markdown(outcome, LINK, PAGE, "works", {1: "a" * 64, 0: "b" * 64})
    for recipe, name in ((1, "a" * 12), (0, "b" * 12)):
        assert f"Run `{name}` by recipe {recipe} has the same settings; it is kept, and was not used." in older
    assert f"run `{SHA[:12]}` by recipe 0.\n" in outcome_markdown(outcome, LINK, PAGE, "works", {})


def test_the_title_says_whether_the_model_is_promoted():
    text = summary({"cat": PLAIN}, promote=False, verdict="keep", ended="patience")
    assert text.startswith("# pets version 4: not promoted\n")
    unknown = summary({"cat": PLAIN}, promote=False, verdict="cannot tell")
    assert unknown.startswith("# pets version 4: not promoted, it cannot be told whether it is better\n")
    assert summary({"cat": PLAIN}, verdict="keep", overridden="why").startswith(
        "# pets version 4: champion, on request\n"
    )
    answered = {"promote": "champion, as was answered", "keep": "not promoted, as was answered"}
    for answer, words in {**answered, "none": "not promoted, nobody answered whether to"}.items():
        title = summary({"cat": PLAIN}, promote=answer == "promote", verdict="cannot tell", answer=answer)
        assert title.startswith(f"# pets version 4: {words}\n")
    assert "8 epochs (stopped since nothing more was gained)" in text


def test_the_formats_are_named_and_why_one_is_missing():
    assert "\nPublished as safetensors.\n" in summary({"cat": PLAIN})
    text = summary({"cat": PLAIN}, refused={"onnx": "its mAP is 0.1, 0.5 from <b>another</b>"})
    assert "Published as safetensors. onnx is not published: its mAP is 0.1, 0.5 from &#60;b&#62;another" in text


@pytest.mark.parametrize(
    "name",
    [
        "a|b", "<b>bold</b>", "<script>alert(1)</script>", "`code`", "a`b", "*star*", "__init__", "snake_case_name",
        "[text](https://evil.test)", "![x](https://evil.test/x.png)", "<https://evil.test>", "&lt;b&gt;", "a\\|b",
        "~~gone~~", "# head", "{brace}", "$x$", "größe 5,5 cm", "猫", "a:b!",
    ],
)  # fmt: skip
def test_class_names_are_plain_text(name):
    (row,) = [row for row in cells(summary({name: PLAIN, "dog": PLAIN})) if row[1] == "55" and row[0] != "dog"]
    assert row == [name, "55", "0.111", "0.222", "0.333", "0.444"]


def test_line_breaks_in_a_class_name_do_not_end_its_row():
    assert ["a b c", "55", "0.111", "0.222", "0.333", "0.444"] in cells(summary({"a\nb\r\n\tc": PLAIN}))


def test_rows_of_classes_come_worst_first_and_the_unmeasured_last():
    rows = class_rows(scores(per_class={
        "dog": UNSEEN, "cat": PLAIN, "cow": PLAIN.model_copy(update={"ap": 0.05, "ci95": {"ap": (0.01, 0.09)}}),
    }))  # fmt: skip
    assert [row["class"] for row in rows] == ["cow", "cat", "dog"]
    assert [row["95 % interval"] for row in rows] == ["0.010 to 0.090", "\N{EN DASH}", "\N{EN DASH}"]
    assert (rows[1]["AP"], rows[1]["boxes"], rows[2]["AP"]) == (0.111, 55, None)


@pytest.mark.parametrize(
    ("decision", "kind", "words"),
    [
        ({"promote": True}, "promoted", "champion"),
        ({"promote": True, "verdict": "keep", "overridden": "asked for"}, "promoted", "champion, on request"),
        ({"promote": False, "verdict": "keep"}, "kept", "not promoted"),
        (
            {"promote": False, "verdict": "cannot tell"},
            "cannot-tell",
            "not promoted, it cannot be told whether it is better",
        ),
    ],
)
def test_the_outcome_has_the_name_of_its_event_and_one_line_for_people(decision, kind, words):
    outcome = outcome_of({"cat": PLAIN}, **decision)
    assert (kind_of(outcome), headline(outcome)) == (kind, f"pets version 4: {words}")


def test_each_step_that_took_time_has_a_line():
    lines = steps_markdown({"export labels": 0.04, "train on a GPU worker": 61.25, "train: fetch images": 3.0})
    assert lines.splitlines()[-2:] == ["| train on a GPU worker | 61.2 |", "| train: fetch images | 3.0 |"]
    assert "export labels" not in lines
