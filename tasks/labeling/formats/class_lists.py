"""Lists of class names: data.yaml, and text files with a name per line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tasks.errors import BadExport
from tasks.labeling.formats.layout import Layout, read_text

MAX_LIST_BYTES = 1_000_000
MAX_CLASSES = 100_000


class ClassList(NamedTuple):
    """The content of data.yaml."""

    names: dict[int, str]
    """Class names by id."""
    keypoints: bool
    """Whether keypoints follow the box in label rows."""


NAMES_FILE = "classes.txt"
"""A name per line, as Label Studio and LabelImg write it: at the top of the export, or beside the labels."""


class _TextLoader(yaml.SafeLoader):
    """Reads every value as the text that is written, but null: a class may be called ``no``, ``010`` or ``1:30``."""


_TextLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag == "tag:yaml.org,2002:null"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def find_data_yaml(root: Path) -> Path | None:
    """The YAML file at the top of an export: data.yaml, whatever its name."""
    return next((path for path in sorted(root.glob("*.y*ml")) if path.suffix in (".yaml", ".yml")), None)


def data_yaml(root: Path) -> dict[Any, Any]:
    """The content of an export's data.yaml; empty if it has none that is a mapping. Faults are told when it is read."""
    path = find_data_yaml(root)
    if path is None or path.stat().st_size > MAX_LIST_BYTES:
        return {}
    try:
        content = load_yaml(read_text(path))
    except (yaml.YAMLError, RecursionError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def load_yaml(text: str) -> Any:
    """Parse YAML, with texts as they are written."""
    return yaml.load(text, _TextLoader)  # noqa: S506 - a SafeLoader


def read_class_list(layout: Layout) -> ClassList:
    """Read the class list of an export of YOLO: data.yaml, or else a text file with a name per line.

    Raises:
        BadExport: there is neither, or no list of class names in it.
    """
    path = find_data_yaml(layout.root)
    folders = [folder for files in layout.splits.values() for folder in (files.labels, files.labels.parent)]
    names_file = next((file for folder in (layout.root, *folders) if (file := folder / NAMES_FILE).is_file()), None)
    if path is not None:
        return parse_class_list(read_text(_small_enough(path, layout.name)), f"{layout.name}: {path.name}")
    if names_file is not None:
        text = read_text(_small_enough(names_file, layout.name))
        _refuse_other_lists(text, [folder / NAMES_FILE for folder in folders], layout.name)
        return ClassList(parse_names(text, f"{layout.name}: {NAMES_FILE}"), keypoints=False)
    raise BadExport(
        f"{layout.name}: no data.yaml, so class ids have no names; add one with `names: [..]` at the top, or a "
        f"{NAMES_FILE} with a name per line"
    )


def _refuse_other_lists(text: str, files: Sequence[Path], export_name: str) -> None:
    """Refuse an export whose splits have different lists of class names: ids would mean another class in each."""
    for file in files:
        if file.is_file() and read_text(_small_enough(file, export_name)).split() != text.split():
            raise BadExport(
                f"{export_name}: {file.parent.name}/{NAMES_FILE} has other names than the first one; label all "
                "splits with one list of classes, and export them together"
            )


def _small_enough(path: Path, export_name: str) -> Path:
    if path.stat().st_size > MAX_LIST_BYTES:
        raise BadExport(f"{export_name}: {path.name}: {path.stat().st_size} bytes are no list of classes; export again")
    return path


def parse_names(text: str, place: str) -> dict[int, str]:
    """Class names by id from a text with a name per line. Pure.

    Raises:
        BadExport: a line between names is empty, so that the ids below it are in doubt.
    """
    lines = [line.strip() for line in text.removeprefix("\ufeff").rstrip().splitlines()]
    if "" in lines:
        raise BadExport(
            f"{place}: line {lines.index('') + 1} is empty; write the name of that class, or remove the line"
        )
    return dict(enumerate(lines))


def parse_class_list(text: str, place: str) -> ClassList:
    """Parse data.yaml, whose ``names`` are a list, or names by id. Pure.

    Raises:
        BadExport: it has no list of class names, an empty name, or a number of classes that is not that of the names.
    """
    try:
        content: Any = load_yaml(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise BadExport(f"{place}: not YAML ({' '.join(str(error).split())[:200]}); export again") from None
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not names or len(names) > MAX_CLASSES:
        raise BadExport(f"{place}: has no list of class names; add `names: [..]` in the order of the ids")
    try:
        names = {int(class_id): _name(class_id, name, place) for class_id, name in names.items()}
    except (TypeError, ValueError):
        # The names are not in the message: aliases can make them endless.
        raise BadExport(f"{place}: names are not texts by whole numbers; write `names: [..]`") from None
    if (count := content.get("nc")) is not None and str(count).strip() != str(len(names)):
        raise BadExport(f"{place}: nc is {str(count)[:20]}, but there are {len(names)} names; correct the one or other")
    return ClassList(names, "kpt_shape" in content)


def _name(class_id: object, value: object, place: str) -> str:
    if isinstance(value, dict | list):
        raise TypeError(class_id)
    if value is None or not str(value).strip():
        raise BadExport(f"{place}: the name of class {str(class_id)[:20]} is empty; write one, or 'null' in quotes")
    return str(value).strip()
