"""Verbs about flow runs: runs list, runs show, runs cancel, runs retry and runs answer."""

from typing import Annotated, Literal

import typer

from deployments.cli.options import Json
from deployments.cli.verb import Verb

app = typer.Typer(help="Flow runs on the Prefect server.", no_args_is_help=True)

Run = Annotated[str, typer.Argument(help="Id of the flow run, the beginning of it, or its name.")]
Wait = Annotated[bool, typer.Option(help="Wait until the run has ended, a minute at most.")]


@app.command("list", cls=Verb)
def list_(
    project: Annotated[str | None, typer.Option(help="Runs of this project only.")] = None,
    state: Annotated[
        Literal["waiting", "running", "completed", "failed", "crashed", "cancelled"] | None,
        typer.Option(help="Runs in such a state only."),
    ] = None,
    limit: Annotated[int, typer.Option(help="Number of runs at most.", min=1, max=200)] = 20,
    as_json: Json = False,
) -> None:
    """List the runs, newest first; below one that has not ended, its child flow runs.

    Args:
        project: Runs of this project only, or None for all.
        state: Runs in such a state only, or None for all.
        limit: Number of runs at most.
        as_json: Whether stdout gets one JSON document.
    """
    from deployments.cli.show import show
    from deployments.cli.show_runs import show_runs
    from deployments.remote.runs import list_runs

    show(list_runs(project, state, limit), as_json, show_runs)


@app.command("show", cls=Verb)
def show_(run: Run, as_json: Json = False) -> None:
    """Show one run: state, request, steps, child flow runs, warnings, and what can be done with it."""
    from deployments.cli.show import show
    from deployments.cli.show_runs import show_run
    from deployments.remote.runs import show_run as describe

    show(describe(run), as_json, show_run)


@app.command(cls=Verb)
def cancel(run: Run, wait: Wait = True, as_json: Json = False) -> None:
    """Cancel a run and its child flow runs. Checkpoints are kept.

    Args:
        run: Id of the flow run, the beginning of it, or its name.
        wait: Whether to wait until the run has ended.
        as_json: Whether stdout gets one JSON document.
    """
    from deployments.cli.show import show
    from deployments.cli.show_runs import show_cancelled
    from deployments.remote.run_actions import cancel_run

    show(cancel_run(run, wait=wait), as_json, show_cancelled)


@app.command(cls=Verb)
def retry(run: Run, as_json: Json = False) -> None:
    """Schedule a failed, crashed or cancelled run again. It has the same id, and uses what is finished."""
    from deployments.cli.show import show
    from deployments.cli.show_runs import show_retried
    from deployments.remote.run_actions import retry_run

    show(retry_run(run), as_json, show_retried)


@app.command(cls=Verb)
def answer(
    run: Run,
    promote: Annotated[
        bool, typer.Option("--promote/--keep", help="Make the new version the champion, or keep the old.")
    ],
    by: Annotated[str, typer.Option(help="Who answers; kept with the model.")] = "",
    why: Annotated[str, typer.Option(help="Reason; kept with the model.")] = "",
    as_json: Json = False,
) -> None:
    """Answer a run that asks whether to promote its model; the run goes on.

    Args:
        run: Id of the flow run, the beginning of it, or its name.
        promote: Whether the version becomes the champion.
        by: Who answers; may be empty.
        why: Reason; may be empty.
        as_json: Whether stdout gets one JSON document.
    """
    from deployments.cli.show import show
    from deployments.cli.show_runs import show_retried
    from deployments.remote.run_answers import answer_run

    show(answer_run(run, "promote" if promote else "keep", by, why), as_json, show_retried)
