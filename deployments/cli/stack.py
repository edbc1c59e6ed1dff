"""Verbs for this machine: demo, up, worker and doctor."""

from pathlib import Path
from typing import Annotated

import typer

from deployments.cli.interrupt import stop_like_ctrl_c
from deployments.cli.options import Json, StackFolder
from deployments.cli.verb import Verb
from deployments.worker.places import Gpus

app = typer.Typer()


@app.command(cls=Verb)
def demo(
    directory: StackFolder = Path("nasflow-demo"),
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    keep: Annotated[bool, typer.Option(help="Leave the stack running until Ctrl-C.")] = False,
    as_json: Json = False,
) -> None:
    """Run the whole chain on drawn images: servers, labels, training, report, promotion.

    Args:
        directory: Folder that keeps everything.
        seed: Seed of the images and of the training.
        keep: Whether the stack runs on until Ctrl-C.
        as_json: Whether stdout gets one JSON document.
    """
    from deployments.cli.show import show, show_outcome
    from deployments.demo.demo import demo as run

    stop_like_ctrl_c()
    show(run(directory, seed, keep=keep), as_json, show_outcome)


@app.command(cls=Verb)
def up(directory: StackFolder = Path("nasflow-local"), as_json: Json = False) -> None:
    """Run the local stack in the foreground: Prefect, an object store, a worker for each pool."""
    from deployments.local_stack.up import up as run

    stop_like_ctrl_c()
    run(directory, as_json=as_json)


@app.command(cls=Verb)
def worker(
    pool: Annotated[str, typer.Option(help="Work pool that flow runs are taken from.")] = "gpu",
    name: Annotated[str, typer.Option(help="Name in Prefect; without it that of the machine and the pool.")] = "",
    gpus: Annotated[Gpus, typer.Option(help="A worker for each GPU, or one whose runs train on all.")] = "each",
    strict: Annotated[bool, typer.Option("--strict", help="Do not start on a warning, either.")] = False,
    as_json: Json = False,
) -> None:
    """Check machine, store, server, version and rights; then take flow runs until Ctrl-C, which hands them over.

    Args:
        pool: Work pool that flow runs are taken from.
        name: Begin of the names of the workers.
        gpus: A worker for each GPU, or one whose runs train on all of them.
        strict: Whether a warning keeps it from starting.
        as_json: Whether stdout gets one JSON document, before the workers start.
    """
    from deployments.cli.show import show
    from deployments.cli.show_server import show_checks
    from deployments.terminal.console import say
    from deployments.worker.start import prepare
    from deployments.worker.worker import run_until_stopped

    stop_like_ctrl_c()
    start = prepare(pool, name, gpus, strict=strict)
    show(start.document, as_json, show_checks)
    if not start.places:
        say("not started; correct what the checks found")
        raise typer.Exit(1)
    say(f"{', '.join(start.document['workers'])}: taking flow runs of pool {pool}; Ctrl-C hands them over")
    run_until_stopped(pool, start.places)


@app.command(cls=Verb)
def doctor(as_json: Json = False) -> None:
    """Tell what is wrong with this machine, the store and the server, with a remedy each."""
    from deployments.cli.show import show
    from deployments.cli.show_server import show_checks
    from deployments.doctor.doctor import doctor as run

    document = run()
    show(document, as_json, show_checks)
    raise typer.Exit(0 if document["ok"] else 1)
