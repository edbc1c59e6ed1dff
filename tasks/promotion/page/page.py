"""The project's page: one self-contained HTML file. The variables of its template are made here."""

from typing import Any

from tasks.promotion.page import charts, tables
from tasks.promotion.page.content import ProjectContent
from tasks.promotion.summary import class_rows
from tasks.rendering import pages


def render(content: ProjectContent) -> str:
    """The page as HTML; all names in it are escaped, and the same content gives the same text."""
    drawn = [charts.versions_chart(content), charts.labels_chart(content)] if content.versions else []
    shown = [chart for chart in drawn if chart]
    return pages.render(
        "tasks.promotion.page",
        "page.html.j2",
        assets=(*pages.CHARTS_AND_TABLES, "page.css"),
        content=content,
        champion=content.champion,
        charts=shown,
        data=charts.script_data(shown),
        **_champion_variables(content),
        **_version_variables(content),
    )


def _champion_variables(content: ProjectContent) -> dict[str, Any]:
    rows = tables.move_rows(content)
    return {
        "classes": class_rows(content.champion.scores) if content.champion else [],
        "moves": rows,
        "moves_not_shown": len(content.moves) - len(rows),
    }


def _version_variables(content: ProjectContent) -> dict[str, Any]:
    rows = tables.version_rows(content)
    older = [version.version for version in content.versions[: len(content.versions) - len(rows)]]
    unknown = [version.version for version in content.versions if version.version not in content.labels]
    return {
        "rows": rows,
        "not_shown": tables.versions_in_words(older) if older else "",
        "not_shown_count": len(older),
        "labels_gone": tables.versions_in_words(unknown) if unknown else "",
        "comparability": tables.comparability(content) if content.versions else "",
    }
