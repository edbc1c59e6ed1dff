"""What a person is asked when the gate cannot tell, and what the answer does to the decision. Without a server."""

import pytest
from pydantic import ValidationError

from tasks.orchestration.questions import AnswerForm
from tasks.promotion.questions import question_key, question_markdown, settle
from tasks.promotion.registry import _stands
from tasks.records import Answer, GateCheck, GatePolicy, ModelVersion, RetrainRequest
from tests.fakes.evaluations import decision
from tests.fakes.scores import FILE, scores

GAIN = GateCheck(name="gain", passed=None, text="mAP 0.5 against 0.4: it cannot be told for <b>cat</b>.")
SIZE = GateCheck(name="file size", passed=True, text="The file size is 70.0 MB, and at most 80 is asked.")


def unclear(**changes):
    values = {"promote": False, "verdict": "cannot tell", "reason": GAIN.text, "checks": (GAIN, SIZE)}
    return decision(**{**values, **changes})


def version(number, **changes):
    return ModelVersion.model_construct(
        project="pets", version=number, report=FILE, split="test", decision=unclear(**changes),
        scores=scores(0.61234, ci95={"map": (0.5, 0.7)}),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "promote", "reason"),
    [
        (Answer(answer="promote"), True, "Promoted, as somebody answered. "),
        (Answer(answer="promote", by="Ada", why="it is"), True, "Promoted, as Ada answered (it is). "),
        (Answer(answer="keep", by="Ada"), False, "Kept, as Ada answered. "),
        (Answer(answer="none"), False, "Kept: it was asked, and nobody answered within 72 hours. "),
    ],
)
def test_an_answer_settles_the_decision_and_says_by_whom_and_why(answer, promote, reason):
    settled = settle(unclear(), answer, 72.0)
    assert (settled.promote, settled.reason) == (promote, reason + GAIN.text)
    assert (settled.answer, settled.answered_by, settled.answered_why) == (answer.answer, answer.by, answer.why)
    assert (settled.verdict, settled.overridden, settled.checks) == ("cannot tell", None, (GAIN, SIZE))
    assert not settled.is_open


@pytest.mark.parametrize(
    ("changes", "is_open"),
    [
        ({}, True),
        ({"verdict": "keep"}, False),
        ({"verdict": "promote", "promote": True}, False),
        ({"promote": True, "overridden": "on request"}, False),
        ({"answer": "none"}, False),
    ],
)
def test_only_what_cannot_be_told_and_is_not_decided_otherwise_is_open(changes, is_open):
    assert unclear(**changes).is_open == is_open


def test_another_champion_or_version_is_another_question():
    keys = [question_key(version(number), champion) for number in (2, 3) for champion in (None, version(1), version(4))]
    assert len(set(keys)) == len(keys)
    assert question_key(version(2), version(1)) == question_key(version(2), version(1))


def test_the_question_shows_numbers_open_and_passed_checks_and_the_report():
    text = question_markdown(version(2), "https://store.test/report.html", "works until 2026-12-04 14:02 UTC")
    for words in (
        "Promote version 2 of pets?", "mAP 0.5 against 0.4", "&#60;b&#62;cat", "passed: The file size is 70.0 MB",
        "| mAP | 0.612 | 0.500 to 0.700 |", "(https://store.test/report.html)", "works until 2026-12-04 14:02 UTC",
        "`nasflow report pets 2`",
    ):  # fmt: skip
        assert words in text


def test_who_answered_to_keep_is_not_asked_the_same_again():
    kept, missed, promoted = (settle(unclear(), Answer(answer=answer), 72.0) for answer in ("keep", "none", "promote"))
    assert _stands(kept, unclear())
    assert not _stands(missed, unclear())
    assert not _stands(promoted, unclear())
    assert not _stands(kept, unclear(checks=(GAIN,)))
    assert not _stands(kept, unclear(policy=GatePolicy(min_images=9)))
    assert not _stands(kept, unclear(promote=True, overridden="on request"))


@pytest.mark.parametrize("wrong", [{}, {"answer": "none"}, {"answer": "yes"}, {"answer": "keep", "who": "x"}])
def test_the_form_takes_promote_or_keep_and_nothing_else(wrong):
    with pytest.raises(ValidationError):
        AnswerForm.model_validate(wrong)


@pytest.mark.parametrize(("fits", "too_much"), [(0.01, 0), (720, 721)])
def test_the_time_for_an_answer_has_limits(fits, too_much):
    assert RetrainRequest(project="pets", ask=True, ask_hours=fits).ask_hours == fits
    with pytest.raises(ValidationError):
        RetrainRequest(project="pets", ask=True, ask_hours=too_much)
