"""Pages for people to look at: one HTML file each that needs nothing else and asks for nothing.

A page runs no script but the one that it brings along, which its security policy names by hash.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from importlib import resources

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

MISSING = "\N{EN DASH}"
_IN_SCRIPT = {ord(char): f"\\u{ord(char):04x}" for char in "<>&'"}


def render(package: str, template: str, assets: Sequence[str] = (), **content: object) -> str:
    """A page as HTML; all names in it are escaped, and the same content gives the same text.

    Args:
        package: Where the template is.
        template: Its file's name.
        assets: Style sheets and scripts of this page alone, files beside the template.
        content: What it shows.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["number"] = number
    environment.filters["short"] = short_name
    environment.filters["jpeg"] = data_url
    environment.filters["json"] = json_text
    environment.filters["svg"] = Markup  # drawn by us; names in it are escaped there
    own = {name: resources.files(package).joinpath(name).read_text("utf-8") for name in assets}
    style = resources.files("tasks.rendering").joinpath("page.css").read_text("utf-8")
    style += "".join(text for name, text in own.items() if name.endswith(".css"))
    script = "".join(text for name, text in own.items() if name.endswith(".js"))
    text = resources.files(package).joinpath(template).read_text("utf-8")
    return environment.from_string(text).render(
        style=Markup(style),  # noqa: S704, ours
        script=Markup(script),  # noqa: S704, ours
        script_hash=f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}",
        missing=MISSING,
        **content,
    )


def number(value: float | None) -> str:
    """Three decimals, or a dash."""
    return MISSING if value is None else f"{value:.3f}"


def short_name(file_name: str) -> str:
    """The name that an image had before Roboflow added to it: ``cat_jpg.rf.<hash>.jpg`` was ``cat.jpg``."""
    stem, roboflow, _ = file_name.partition(".rf.")
    name, _, suffix = stem.rpartition("_")
    return f"{name}.{suffix}" if roboflow and name else file_name


def data_url(data: bytes, kind: str = "image/jpeg") -> str:
    """A file as part of the page."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def json_text(value: object) -> Markup:
    """JSON for an element of the page: plain ASCII that cannot end the element or begin a comment."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return Markup(text.translate(_IN_SCRIPT))  # noqa: S704, escaped here
