"""How a function becomes a verb: its help, and options that come from the fields of records."""

from functools import cached_property
from typing import Any

import click
from typer.core import TyperCommand, TyperOption


class Verb(TyperCommand):
    """A verb of the command, made from a function whose last parameter is ``as_json``.

    Its help is the first paragraph of the function's docstring. A subclass adds options with ``record_options``; their
    values reach the function as ``context.obj``, a dict by field name.
    """

    def __init__(self, name: str | None, *, help: str | None = None, **more: Any) -> None:  # noqa: A002, typer's name
        super().__init__(name, help=(help or "").partition("\n\n")[0], **more)

    def record_options(self) -> list[TyperOption]:
        """Make the options that come from records.

        Called when this verb is, so that ``nasflow --help`` does not wait until records are loaded.
        """
        return []

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """All parameters of this verb, as click asks for them."""
        *parameters, as_json, help_option = super().get_params(ctx)
        return [*parameters, *self._record_options, as_json, help_option]

    def invoke(self, ctx: click.Context) -> Any:
        """Call the function, with the values of the record options in ``context.obj``."""
        ctx.obj = {option.name: ctx.params.pop(str(option.name)) for option in self._record_options}
        return super().invoke(ctx)

    @cached_property
    def _record_options(self) -> list[TyperOption]:
        return self.record_options()
