"""Options of the command line from the fields of records.

The option has the field's name, type, default, description and limits, so that they are written once. Limits are
checked by the record, not by click, so that a wrong value gets the same answer here and from the API.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

import click
from typer.core import TyperOption

from deployments.cli.option_values import class_map_of, flag_of, list_of, min_ap_of

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo
    from pydantic_settings import BaseSettings

NO_OPTIONS = {"schema_version", "export", "gate"}
"""Fields without an option of their own: verbs take the export as a path, and the gate's fields one by one."""

PAIRS: dict[str, tuple[str, Callable[[Sequence[str]], dict[str, str]]]] = {
    "class_map": ("OLD=NEW", class_map_of),
    "min_ap": ("CLASS=AP", min_ap_of),
}
"""Fields that hold a dict: how one pair is written, and how pairs are read."""

LIMITS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below", "multiple_of": "a multiple of"}
"""Limits of numbers in words, by their names in annotated_types."""


def options_of(
    record: "type[BaseModel]", *, without: Collection[str] = (), help_texts: Mapping[str, str] | None = None
) -> list[TyperOption]:
    """Make an option of each field of a record.

    Args:
        record: Class of the record.
        without: Fields that the verb has no use for.
        help_texts: Help texts that replace the fields' descriptions, by field name.

    Returns:
        The options, in the order of the fields. An option is never required: left out, it has the default of the field,
        or None if the field has no default.
    """
    options = []
    for name, field in record.model_fields.items():
        if name not in NO_OPTIONS and name not in without:
            option = _option(name, field, None if field.is_required() else field.default)
            option.help = (help_texts or {}).get(name, option.help)
            options.append(option)
    return options


def list_options_of(
    record: "type[BaseModel]", defaults: Mapping[str, Any], other_names: Mapping[str, str]
) -> list[TyperOption]:
    """Make options that take several values, separated by commas.

    Args:
        record: Class of the record; each field is a tuple.
        defaults: The one value that an option has when it is left out, by field name; the fields that become options.
        other_names: A second name of the option, by field name.

    Returns:
        The options. Their values are lists of text, which the record reads.
    """
    options = []
    for name, default in defaults.items():
        flags = dict.fromkeys([flag_of(name), flag_of(other_names[name])])
        option = TyperOption(
            param_decls=[name, *flags], type=str, default=str(default), show_default=True, required=False,
            metavar="A,B,...", callback=lambda _context, _option, text: list_of(text),
            help=f"{record.model_fields[name].description} Several are separated by commas.",
        )  # fmt: skip
        options.append(option)
    return options


def options_of_settings(settings: "type[BaseSettings]", names: Sequence[str]) -> list[TyperOption]:
    """Make options that replace environment variables.

    Args:
        settings: Class of the settings.
        names: Fields that get an option.

    Returns:
        The options. Left out, an option is None, and the environment decides.
    """
    options = []
    for name in names:
        field = settings.model_fields[name]
        variable = f"{settings.model_config['env_prefix']}{name.upper()}"
        option = _option(name, field, None)
        option.show_default = variable if field.default is None else f"{variable}, or {field.default}"
        options.append(option)
    return options


def _option(name: str, field: "FieldInfo", default: Any) -> TyperOption:
    flag, text = flag_of(name), f"{field.description}{_limits(field)}"
    if name in PAIRS:
        metavar, read = PAIRS[name]
        return TyperOption(
            param_decls=[flag], multiple=True, metavar=metavar, callback=lambda _context, _option, pairs: read(pairs),
            required=False, help=f"{text} May be repeated.",
        )  # fmt: skip
    if field.annotation is bool:
        flag = f"{flag}/--no-{flag.removeprefix('--')}"
    return TyperOption(
        param_decls=[flag], type=_type_of(field.annotation), default=default, show_default=True, required=False,
        help=text,
    )  # fmt: skip


def _limits(field: "FieldInfo") -> str:
    """The limits of a number as a sentence, with a space before it; empty without limits."""
    limits = [
        f"{words} {getattr(limit, name)}"
        for limit in field.metadata
        for name, words in LIMITS.items()
        if getattr(limit, name, None) is not None
    ]
    return f" {', '.join(limits).capitalize()}." if limits else ""


def _type_of(annotation: Any) -> Any:
    """The type that click reads; text for a field of several types, such as a number or ``auto``."""
    if get_origin(annotation) is Literal:
        return click.Choice(get_args(annotation))
    if get_origin(annotation) is Annotated:
        return _type_of(get_args(annotation)[0])
    kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
    if not kinds:
        return annotation
    return _type_of(kinds[0]) if len(kinds) == 1 else str
