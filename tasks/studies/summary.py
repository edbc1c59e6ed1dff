"""The outcome of a study of settings in Markdown and in rows, for Prefect. Pure."""

from tasks.records import SettingsStudy
from tasks.rendering.markdown import MISSING, as_interval, as_number, as_text
from tasks.studies.rows import model_rows, options_of

SETTINGS_STUDY = "settings-study-outcome"
"""Key of the artifact from which programs read the outcome."""


def study_row(study: SettingsStudy, study_key: str, page_key: str) -> dict[str, str]:
    """The outcome in one row.

    Args:
        study: The outcome.
        study_key: Store key of its numbers.
        page_key: Store key of its page.

    Returns:
        Project, what to take, its sentence, and the keys.
    """
    return {
        "project": study.project,
        "take": study.choice.name if study.choice else "cannot tell",
        "sentence": study.sentence,
        "study": study_key,
        "page": page_key,
    }


def study_markdown(study: SettingsStudy, link: str, validity: str, key: str) -> str:
    """The outcome for people: what to take, all models, and a link to the page.

    Args:
        study: The outcome.
        link: Link to the page.
        validity: How long the link works, such as "works until 2026-12-04 14:02 UTC".
        key: Store key of the page.

    Returns:
        Markdown; all names in it are escaped.
    """
    sentences = "\n\n".join(as_text(text) for text in (study.sentence, *study.caveats))
    rows = "\n".join(
        f"| {row.settings.variant} | {row.settings.image_size} | {row.settings.epochs} | {as_number(row.map)} "
        f"| {as_interval(row.interval)} | {MISSING if row.latency_ms is None else f'{row.latency_ms:.1f}'} "
        f"| {row.megabytes:.1f} |"
        for row in model_rows(study)
    )
    command = f"\nRetrain with these settings: `nasflow retrain {options_of(study.choice)}`\n" if study.choice else ""
    return f"""# {study.project}: which settings

{sentences}

| size | pixels | epochs | mAP | 95 % interval | ms an image | MB |
|---|---|---|---|---|---|---|
{rows}

[Open the page]({link}) (this link {validity}; the page stays at `{key}`)
{command}
Rule: {as_text(study.rule)}
"""
