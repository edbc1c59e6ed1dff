"""Asking a person whether to promote a model: the question, and what the answer does to the decision. Pure."""

from tasks.promotion.summary import checks_in_lines
from tasks.records import Answer, ModelVersion, PromotionDecision
from tasks.rendering.markdown import as_interval, as_number, as_text

NUMBERS = {"map": "mAP", "map50": "mAP50", "precision": "precision", "recall": "recall"}


def question_key(version: ModelVersion, champion: ModelVersion | None) -> str:
    """What is asked, in the form of a key: of another champion it is another question."""
    return f"promote-{version.version}-over-{champion.version if champion else 'none'}"


def question_title(version: ModelVersion) -> str:
    """The question in one line."""
    return f"Promote version {version.version} of {version.project}?"


def question_markdown(version: ModelVersion, report_link: str, validity: str) -> str:
    """The question with what speaks for and against it.

    Args:
        version: The published version.
        report_link: Link to its report page.
        validity: How long the link works, such as "works until 2026-12-04 14:02 UTC".

    Returns:
        Markdown; all names in it are escaped.
    """
    decision, scores = version.decision, version.scores
    rows = "\n".join(
        f"| {title} | {as_number(getattr(scores, name))} | {as_interval(scores.ci95.get(name))} |"
        for name, title in NUMBERS.items()
    )
    return f"""**{question_title(version)}** The gate cannot tell.

{as_text(decision.reason)}

{checks_in_lines(decision)}| on the {version.split} split | version {version.version} | 95 % interval |
|---|---|---|
{rows}

[Open the report]({report_link}) (this link {validity}; \
`nasflow report {version.project} {version.version}` gives another)
"""


def settle(decision: PromotionDecision, answer: Answer, hours: float) -> PromotionDecision:
    """Take the answer of a person into a decision that could not be told.

    Args:
        decision: Decision of the gate.
        answer: What was answered.
        hours: How long there was time to answer.

    Returns:
        The decision with the answer, and the reason of it in front of the gate's.
    """
    if answer.answer == "none":
        words = f"Kept: it was asked, and nobody answered within {hours:g} hours."
    else:
        done = "Promoted" if answer.answer == "promote" else "Kept"
        words = f"{done}, as {answer.by or 'somebody'} answered{f' ({answer.why})' if answer.why else ''}."
    return decision.model_copy(
        update={
            "promote": answer.answer == "promote",
            "reason": f"{words} {decision.reason}",
            "answer": answer.answer,
            "answered_by": answer.by,
            "answered_why": answer.why,
        }
    )
