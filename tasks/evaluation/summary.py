"""The outcome of a study of the labels in Markdown and in rows. Pure."""

from tasks.evaluation.report.gain_tables import class_gains
from tasks.records import LearningCurve
from tasks.rendering.markdown import as_cell, as_interval, as_number, as_text

STUDY = "study-outcome"
"""Key of the artifact from which programs read the outcome of a study."""


def study_row(project: str, curve: LearningCurve, curve_key: str, page_key: str) -> dict[str, str]:
    """The outcome in one row.

    Args:
        project: Project of the model.
        curve: The learning curve.
        curve_key: Store key of the learning curve.
        page_key: Store key of the report page.

    Returns:
        Project, verdict, its sentence, and the keys.
    """
    return {
        "project": project,
        "verdict": curve.verdict,
        "sentence": curve.sentence,
        "curve": curve_key,
        "page": page_key,
    }


def point_rows(curve: LearningCurve) -> list[dict[str, str | int | float]]:
    """A row for each measured model."""
    return [
        {
            "share": f"{100 * point.share:.0f} %",
            "training images": point.images,
            "mAP": point.map.value,
            "95 % interval": as_interval(point.map.ci95),
            "run": point.run_key[:12],
        }
        for point in curve.points
    ]


def study_markdown(project: str, curve: LearningCurve, link: str, validity: str, key: str) -> str:
    """The outcome for people: verdict, numbers, and a link to the report.

    Args:
        project: Project of the model.
        curve: The learning curve.
        link: Link to the report page.
        validity: How long the link works, such as "works until 2026-12-04 14:02 UTC".
        key: Store key of the report page.

    Returns:
        Markdown; all names in it are escaped.
    """
    sentences = "\n\n".join(as_text(text) for text in (curve.sentence, *curve.caveats))
    points = "\n".join(
        f"| {point.size_in_words} | {100 * point.share:.0f} % "
        f"| {as_number(point.map.value)} | {as_interval(point.map.ci95)} |"
        for point in curve.points
    )
    classes = "\n".join(
        f"| {as_cell(name)} | {as_number(gain.value if gain else None)} | {as_interval(gain.ci95 if gain else None)} |"
        for name, gain in class_gains(curve)
    )
    return f"""# {project}: more labels {_verdict(curve)}

{sentences}

| training images | share | mAP | 95 % interval |
|---|---|---|---|
{points}

[Open the report]({link}) (this link {validity}; the page stays at `{key}`)

| class | expected gain in AP from twice the labels | 95 % interval |
|---|---|---|
{classes}

Rule: {as_text(curve.rule)}
"""


def _verdict(curve: LearningCurve) -> str:
    return "may help, it cannot be told" if curve.verdict == "cannot tell" else curve.verdict
