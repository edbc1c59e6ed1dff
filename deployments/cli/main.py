"""The ``nasflow`` command: its groups of verbs, and how errors end. A verb is added in the module of its group.

Exit codes: 0 done, 1 failed, 2 bad input, 130 stopped on request. An error is one line; ``nasflow --debug VERB`` adds
the traceback.
"""

import importlib.metadata
import sys
from typing import Annotated

import click
import typer

from deployments.cli import detection, labels, models, runs, schedule, service, stack, study, training
from tasks.errors import NasflowError, TrainingStopped

app = typer.Typer(
    help="Labels in, a judged and published YOLO-NAS detector out.",
    no_args_is_help=True,
    add_completion=False,
    suggest_commands=False,  # click does
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for group in (stack, labels, training, detection, service, study):
    app.add_typer(group.app)
app.add_typer(models.app, name="models")
app.add_typer(schedule.app, name="schedule")
app.add_typer(runs.app, name="runs")

STOPPED = 130
"""The exit code of shells for an end by SIGINT."""


def _say_version(asked: bool) -> None:
    if asked:
        typer.echo(f"nasflow {importlib.metadata.version('nasflow')}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option(help="Show tracebacks.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass  # `_failed` reads it from the arguments, since wrong usage ends before this is called


def main() -> None:
    """Run the command, and end with its exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run the command, and give its exit code."""
    from deployments.terminal import console
    from tasks.local.files import disk_full
    from tasks.local.proxies import keep_loopback_direct

    keep_loopback_direct()
    command = typer.main.get_command(app)
    try:
        code = command.main(arguments, prog_name="nasflow", standalone_mode=False)
    except TrainingStopped as error:
        return _failed(str(error), STOPPED, arguments)
    except NasflowError as error:
        return _failed(str(error), error.exit_code, arguments)
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        console.say(error.format_message())
        return 2
    except click.ClickException as error:
        return _failed(error.format_message(), 2, arguments)
    except (KeyboardInterrupt, click.Abort):
        code = STOPPED
    except Exception as error:  # noqa: BLE001, a fault of ours is one line too, unless --debug is given
        if isinstance(error, OSError) and (full := disk_full(error)):
            return _failed(str(full), full.exit_code, arguments)
        first = (str(error).splitlines() or [""])[0]
        return _failed(f"{type(error).__name__}: {first}; `nasflow --debug` tells where", 1, arguments)
    if code == STOPPED:  # typer returns this after Ctrl-C
        return _failed("stopped", STOPPED, arguments)
    return code if isinstance(code, int) else 0


def _failed(message: str, code: int, arguments: list[str]) -> int:
    """One line on stderr, and for programs a document; with --debug the traceback before it."""
    from deployments.terminal import console

    if "--debug" in arguments:
        console.err.print_exception()
    line = " ".join(message.split())
    if "--json" in arguments:
        console.document({"ok": False, "error": line})
    console.say(f"error: {line}")
    return code
