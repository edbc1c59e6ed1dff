"""The comparison of two versions in Markdown and in a row. Pure."""

from tasks.evaluation.report.gain_tables import gains, in_words, verdict
from tasks.records import Comparison, ModelVersion
from tasks.rendering.markdown import as_cell, as_text

COMPARISON = "comparison-outcome"
"""Key of the artifact from which programs read the outcome of a comparison."""


def comparison_row(
    version: ModelVersion, comparison: Comparison, comparison_key: str, page_key: str
) -> dict[str, str | int]:
    """The outcome in one row.

    Args:
        version: The version that may be better.
        comparison: With the other version.
        comparison_key: Store key of the comparison.
        page_key: Store key of the report page.

    Returns:
        Both versions, verdict, its sentence, and the keys.
    """
    return {
        "project": version.project,
        "baseline": comparison.champion_version,
        "version": version.version,
        "verdict": verdict(comparison),
        "sentence": in_words(comparison),
        "comparison": comparison_key,
        "page": page_key,
    }


def comparison_markdown(version: ModelVersion, comparison: Comparison, link: str, validity: str, key: str) -> str:
    """The outcome for people: verdict, gains, and a link to the report.

    Args:
        version: The version that may be better.
        comparison: With the other version.
        link: Link to the report page.
        validity: How long the link works, such as "works until 2026-12-04 14:02 UTC".
        key: Store key of the report page.

    Returns:
        Markdown; all names in it are escaped.
    """
    rows = "\n".join(
        f"| {as_cell(row.name)} | {row.gain.before:.3f} | {row.gain.after:.3f} | {row.gain.gain:+.3f} "
        f"| {row.gain.ci95[0]:+.3f} to {row.gain.ci95[1]:+.3f} | {row.word} |"
        for row in gains(comparison)
    )
    before, left_out = comparison.champion_version, comparison.left_out
    note = f" {left_out} images that version {before} was trained on are left out." if left_out else ""
    return f"""# {version.project}: version {version.version} against version {before}

{as_text(in_words(comparison))}{note}

| AP of | version {before} | version {version.version} | gain | 95 % interval | verdict |
|---|---|---|---|---|---|
{rows}

[Open the report]({link}) (this link {validity}; the page stays at `{key}`)
"""
