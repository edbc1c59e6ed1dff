"""The section "In short": the verdict, and an answer to each question that the page goes into."""

from collections.abc import Sequence

from tasks.evaluation.report import tables
from tasks.evaluation.report.advice.certainty import how_sure
from tasks.evaluation.report.advice.labels import labels_enough
from tasks.evaluation.report.advice.sentences import Advice
from tasks.evaluation.report.advice.stopping import when_to_stop
from tasks.evaluation.report.content import ReportContent
from tasks.evaluation.report.first_line import nothing_right_in
from tasks.evaluation.report.gain_tables import in_words
from tasks.evaluation.report.mistake_tables import ERRORS
from tasks.records import PromotionDecision


def verdict(decision: PromotionDecision | None) -> tuple[str, str] | None:
    """The decision of the gate as a style of the page and a word; None without a decision."""
    if decision is None:
        return None
    if decision.overridden is not None:
        return "unsure", "Promoted, whatever the gate says"
    return {
        "promote": ("yes", "Promoted"),
        "keep": ("no", "Not promoted"),
        "cannot tell": ("unsure", "Cannot tell" + (": promoted" if decision.promote else ": not promoted")),
    }[decision.verdict]


def baseline(content: ReportContent) -> str:
    """What the model is compared with: the champion where the gate decided, else a version that somebody named."""
    if content.comparison is None or content.decision is not None:
        return "the model in use"
    return f"version {content.comparison.champion_version}"


def answers(content: ReportContent) -> list[tuple[str, str, str]]:
    """Question, answer in a sentence or two, and the id of the section that says more."""
    evaluation = content.evaluation
    rows = [
        ("How good is it?", _how_good(content), "scores"),
        ("How sure is that?", _how_sure(how_sure(evaluation)), "sure"),
        ("Which mistakes?", _worst_mistakes(content), "mistakes"),
        ("Which threshold?", tables.point_in_words(evaluation.scores, evaluation.point), "threshold"),
    ]
    if content.decision:
        rows.insert(2, ("Better than the one in use?", content.decision.reason, "champion"))
    elif content.comparison:
        rows.insert(2, (f"Better than {baseline(content)}?", in_words(content.comparison), "champion"))
    if stopping := when_to_stop(content.history, content.result):
        rows.append(("When to stop training?", _when_to_stop(stopping), "training"))
    rows.append(("Are the labels enough?", _labels_enough(content), "enough"))
    return rows


def _how_good(content: ReportContent) -> str:
    if nothing := nothing_right_in(content.evaluation):
        return nothing
    scores = content.evaluation.scores
    return (
        f"mAP {scores.map:.3f} and mAP50 {scores.map50:.3f}. At confidence threshold {scores.threshold:.3f} it finds "
        f"{100 * scores.recall:.0f} of 100 labelled boxes, and {100 * scores.precision:.0f} of 100 detections are "
        "right."
    )


def _how_sure(advice: Sequence[Advice]) -> str:
    """The interval of mAP, and that it is too narrow if there are few images."""
    interval, *others = advice
    few_sources = [other.text for other in others[:1] if other.rule.startswith("Fewer than")]
    return " ".join([interval.text, *few_sources])


def _worst_mistakes(content: ReportContent) -> str:
    errors = content.evaluation.analysis.errors
    costly = [error for error in errors if error.ap50_cost > 0]
    if not costly and content.evaluation.scores.map50 == 0:
        return "Nothing is found, so no kind of mistake alone can be weighed: correcting one leaves mAP50 at 0."
    if not costly:
        count = sum(error.count for error in errors)
        return f"No kind of mistake alone costs anything of mAP50; there are {count} in all."
    costs = [f"{ERRORS[error.kind][0].lower()} {error.ap50_cost:.3f}" for error in costly[:3]]
    return f"What costs most of mAP50: {', '.join(costs)}."


def _when_to_stop(advice: Sequence[Advice]) -> str:
    """The kept epoch, and what matters most: overfitting, or else whether more epochs would help."""
    if len(advice) == 1:
        return advice[0].text
    best, _, overfitting, more_epochs = advice
    return f"{best.text} {(overfitting if overfitting.epoch is not None else more_epochs).text}"


def _labels_enough(content: ReportContent) -> str:
    if content.learning:
        return content.learning.sentence
    return " ".join(advice.text for advice in labels_enough(content.evaluation)[:-1])
