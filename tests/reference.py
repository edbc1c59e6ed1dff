"""Print docs/reference.md from the code: settings, exit codes and findings.

``make reference`` writes the page. ``tests/unit/test_reference.py`` checks that it is up to date.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, get_args, get_origin

from pydantic import AliasChoices, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from deployments.cli.main import STOPPED
from deployments.cli.record_options import LIMITS
from deployments.serving.settings import ServeSettings
from tasks.errors import BadInput, NasflowError
from tasks.labeling.finding_kinds import FINDING_KINDS
from tasks.settings import RoboflowSettings, StoreSettings, WorkSettings
from tasks.training.contract.exits import EXITS

HEAD = """\
# Reference

This page is generated from the code by `make reference`. Do not edit it by hand.
"""

SETTINGS_HEAD = """\
## Settings

Settings are environment variables. An empty variable counts as not set. Secrets are never shown in logs or messages."""

SETTINGS: dict[str, type[BaseSettings]] = {
    "The store": StoreSettings,
    "Roboflow": RoboflowSettings,
    "This machine": WorkSettings,
    "The server of a model": ServeSettings,
}

SERVER = [
    ["`PREFECT_API_URL`", "empty", "API of the Prefect server, such as `http://server:4200/api`. Prefect reads it."]
]

EXIT_HEAD = """\
## Exit codes

### The command

The exit codes of `nasflow`. `nasflow check` ends with 2 if the labels have an error, and `nasflow doctor` with 1 if a
check fails."""

COMMAND_CODES = [
    ["0", "Done."],
    [str(NasflowError.exit_code), "Failed."],
    [str(BadInput.exit_code), "Bad input: a person has to change something first."],
    [str(STOPPED), "Stopped by Ctrl-C."],
]

TRAINER_HEAD = """\
### The trainer

The exit codes of `python -m tasks.training.worker`, which trains, detects or exports as its job file says. `nasflow
train` and the flow runs read them."""

FINDINGS_HEAD = """\
## Findings

What a check of the labels can report. An error stops the run. A warning or an info does not. In a message, N is the
number of occurrences. Findings are shown in this order."""


def page() -> str:
    """The whole page."""
    parts = [HEAD, SETTINGS_HEAD, *settings_tables(), *exit_codes(), FINDINGS_HEAD, findings_table()]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def settings_tables() -> list[str]:
    """A heading and a table for each kind of settings."""
    columns = ("variable", "default", "description")
    parts = []
    for title, kind in SETTINGS.items():
        rows = [
            [variables_of(kind, name), default_of(field), description_of(field)]
            for name, field in kind.model_fields.items()
        ]
        parts += [f"### {title}", table(columns, rows)]
    return [*parts, "### The Prefect server", table(columns, SERVER)]


def variables_of(kind: type[BaseSettings], name: str) -> str:
    """The environment variables that set a field, the first of which is read first."""
    alias = kind.model_fields[name].validation_alias
    if isinstance(alias, AliasChoices):
        return " or ".join(f"`{choice}`" for choice in alias.choices)
    return f"`{kind.model_config['env_prefix']}{name}`".upper()


def default_of(field: FieldInfo) -> str:
    """The default as it would be written into the environment."""
    value = field.get_default(call_default_factory=True)
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value in (None, ""):
        return "empty"
    if isinstance(value, bool):
        return f"`{value}`".lower()
    if isinstance(value, Path) and value.is_relative_to(Path.home()):
        value = Path("~") / value.relative_to(Path.home())
    return f"`{value}`"


def description_of(field: FieldInfo) -> str:
    """The description, with the values or limits that a field has."""
    kinds = [kind for kind in (field.annotation, *get_args(field.annotation)) if get_origin(kind) is Literal]
    choices = [f" One of {', '.join(f'`{choice}`' for choice in get_args(kind))}." for kind in kinds]
    limits = [
        f"{words} {getattr(limit, name)}"
        for limit in field.metadata
        for name, words in LIMITS.items()
        if getattr(limit, name, None) is not None
    ]
    return "".join([field.description or "", *choices, f" {', '.join(limits).capitalize()}." if limits else ""])


def exit_codes() -> list[str]:
    """The exit codes of the command and of the trainer."""
    named = [[str(code), f"`{kind.__name__}`: {first_line(kind)}"] for code, kinds in EXITS.items() for kind in kinds]
    rows = [["0", "Done."], ["1", "Any other error, or the watchdog ended the trainer."], *named[1:]]
    columns = ("code", "meaning")
    return [EXIT_HEAD, table(columns, COMMAND_CODES), TRAINER_HEAD, table(columns, rows)]


def first_line(kind: type) -> str:
    return (kind.__doc__ or "").splitlines()[0]


def findings_table() -> str:
    """All findings; each row has an anchor, so that pages can link to it."""
    rows = [
        [f'<a id="{code}"></a>`{code}`', kind.severity, kind.message.format(count="N", limit=kind.limit)]
        for code, kind in FINDING_KINDS.items()
    ]
    return table(("code", "severity", "message"), rows)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    cells = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in cells)


if __name__ == "__main__":
    print(page(), end="")
