"""HTML pages: one self-contained file each, which loads nothing from the network.

A page runs no script but its own, which its content security policy names by hash.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from importlib import resources

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from tasks.rendering.chart import Chart
from tasks.rendering.svg import draw_chart

SHARED = "tasks.rendering"
"""Package of what pages share."""
CHARTS_AND_TABLES = ("charts_and_tables.css", "charts_and_tables.js")
"""Shared assets of a page that imports macros from ``charts_and_tables.html.j2``."""
MISSING = "\N{EN DASH}"
_IN_SCRIPT = {ord(char): f"\\u{ord(char):04x}" for char in "<>&'"}


def render(package: str, template: str, assets: Sequence[str] = (), **content: object) -> str:
    """Render a page. All values are escaped, and the same content gives the same text.

    Args:
        package: Package that holds the template.
        template: File name of the template.
        assets: File names of style sheets and scripts, in this order: shared ones, and the page's own in the same
            package.
        content: Variables of the template.

    Returns:
        The page as HTML.
    """
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        loader=FunctionLoader(lambda name: _read(SHARED, name)),
    )  # fmt: skip
    environment.filters["number"] = number
    environment.filters["short"] = short_name
    environment.filters["jpeg"] = data_url
    environment.filters["json"] = json_text
    environment.filters["chart"] = drawn_chart
    texts = {name: _read(SHARED if name in CHARTS_AND_TABLES else package, name) for name in assets}
    style = _read(SHARED, "page.css") + "".join(text for name, text in texts.items() if name.endswith(".css"))
    script = "".join(text for name, text in texts.items() if name.endswith(".js"))
    return environment.from_string(_read(package, template)).render(
        style=Markup(style),  # noqa: S704, our own file
        script=Markup(script),  # noqa: S704, our own file
        script_hash=f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}",
        missing=MISSING,
        **content,
    )


def _read(package: str, name: str) -> str:
    return resources.files(package).joinpath(name).read_text("utf-8")


def drawn_chart(chart: Chart) -> Markup:
    """A chart as part of the page."""
    return Markup(draw_chart(chart))  # noqa: S704, our own drawing, in which names are escaped


def number(value: float | None) -> str:
    """A number with three decimals, or a dash."""
    return MISSING if value is None else f"{value:.3f}"


def short_name(file_name: str) -> str:
    """The name of an image before Roboflow extended it: ``cat_jpg.rf.<hash>.jpg`` was ``cat.jpg``."""
    stem, roboflow, _ = file_name.partition(".rf.")
    name, _, suffix = stem.rpartition("_")
    return f"{name}.{suffix}" if roboflow and name else file_name


def data_url(data: bytes, kind: str = "image/jpeg") -> str:
    """A file as a data URL, as part of the page."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def json_text(value: object) -> Markup:
    """JSON for a script element: plain ASCII that cannot end the element or begin a comment."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return Markup(text.translate(_IN_SCRIPT))  # noqa: S704, escaped here
