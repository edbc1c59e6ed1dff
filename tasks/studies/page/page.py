"""The page of a study: one self-contained HTML file. The variables of its template are made here."""

from tasks.records import SettingsStudy
from tasks.rendering import pages
from tasks.studies.page.charts import charts_of, script_data
from tasks.studies.rows import left_out_rows, model_rows, options_of


def render(study: SettingsStudy) -> str:
    """The page as HTML; all names in it are escaped, and the same study gives the same text."""
    charts = charts_of(study)
    return pages.render(
        "tasks.studies.page",
        "page.html.j2",
        assets=(*pages.CHARTS_AND_TABLES, "page.css"),
        study=study,
        choice=study.choice,
        options=options_of(study.choice) if study.choice else "",
        rows=model_rows(study),
        left_out=left_out_rows(study),
        charts=charts,
        data=script_data(charts),
    )
