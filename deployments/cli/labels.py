"""Verbs about labels: check and diff."""

from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperOption

from deployments.cli.option_values import record_from
from deployments.cli.options import EXPORT_HELP, Json
from deployments.cli.record_options import options_of
from deployments.cli.verb import Verb

app = typer.Typer()


class CheckVerb(Verb):
    """A verb with options for how labels are read and checked."""

    def record_options(self) -> list[TyperOption]:
        """Make an option of each field of LabelRules."""
        from tasks.records import LabelRules

        return options_of(LabelRules)


class DiffVerb(Verb):
    """A verb with options for how labels are read."""

    def record_options(self) -> list[TyperOption]:
        """Make options of the fields of LabelRules that change what is read."""
        from tasks.records import LabelRules

        return options_of(LabelRules, without={"image_size"})


@app.command(cls=CheckVerb)
def check(
    context: typer.Context,
    export: Annotated[Path | None, typer.Argument(help=EXPORT_HELP, show_default=False)] = None,
    report: Annotated[Path | None, typer.Option(help="Write a page to look at, with images: page.html.")] = None,
    explain: Annotated[str | None, typer.Option(metavar="CODE", help="Tell what a finding means; list: all.")] = None,
    as_json: Json = False,
) -> None:
    """Read a labelled export, and tell what it is and what is wrong with it.

    Args:
        context: Holds how the labels are read.
        export: Folder or zip; None with ``explain``.
        report: Page to write, or None for no page.
        explain: Code of a finding to explain, or list; None to check an export.
        as_json: Whether stdout gets one JSON document.

    Raises:
        BadRequest: neither an export nor a finding is named, or both are.
    """
    from deployments.cli.show import show, show_check, show_explanation
    from deployments.offline.check import check as run
    from deployments.offline.explain import explain as explain_code
    from tasks.errors import BadRequest
    from tasks.records import LabelRules

    if explain is not None and export is None:
        show(explain_code(explain), as_json, show_explanation)
        return
    if explain is not None or export is None:
        raise BadRequest("check: name an export to check, or --explain CODE alone to be told what a finding means")
    document = run(export, record_from(LabelRules, context.obj), report)
    show(document, as_json, show_check)
    raise typer.Exit(0 if document["ok"] else 2)


@app.command(cls=DiffVerb)
def diff(
    context: typer.Context,
    before: Annotated[str, typer.Argument(help="An export, PROJECT/VERSION of a model, or a snapshot's digest.")],
    after: Annotated[str, typer.Argument(help="The same, to compare with it.")],
    as_json: Json = False,
) -> None:
    """Tell what changed from one state of the labels to another.

    Args:
        context: Holds how the labels of exports are read.
        before: An export, PROJECT/VERSION of a model, or a snapshot's digest.
        after: The same, to compare with it.
        as_json: Whether stdout gets one JSON document.
    """
    from deployments.cli.show import show, show_difference
    from deployments.offline.diff import diff as run
    from tasks.records import LabelRules

    show(run(before, after, record_from(LabelRules, context.obj)), as_json, show_difference)
