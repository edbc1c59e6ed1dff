"""Pages for people to look at: one HTML file each that needs nothing else, runs no script and asks for nothing."""

import base64
from importlib import resources

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

MISSING = "\N{EN DASH}"


def render(package: str, template: str, **content: object) -> str:
    """A page as HTML; all names in it are escaped, and the same content gives the same text.

    Args:
        package: Where the template is.
        template: Its file's name.
        content: What it shows.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["number"] = number
    environment.filters["short"] = short_name
    environment.filters["jpeg"] = data_url
    environment.filters["svg"] = Markup  # drawn by us from numbers alone
    style = Markup(resources.files("tasks").joinpath("page.css").read_text("utf-8"))  # noqa: S704, ours
    text = resources.files(package).joinpath(template).read_text("utf-8")
    return environment.from_string(text).render(style=style, missing=MISSING, **content)


def number(value: float | None) -> str:
    """Three decimals, or a dash."""
    return MISSING if value is None else f"{value:.3f}"


def short_name(file_name: str) -> str:
    """The name that a picture had before Roboflow added to it: ``cat_jpg.rf.<hash>.jpg`` was ``cat.jpg``."""
    stem, roboflow, _ = file_name.partition(".rf.")
    name, _, suffix = stem.rpartition("_")
    return f"{name}.{suffix}" if roboflow and name else file_name


def data_url(jpeg: bytes) -> str:
    """A picture as part of the page."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
