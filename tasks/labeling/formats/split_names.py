"""Which split the name of a folder, a label file or an entry means. Pure."""

import re

from tasks.records import Split

_SPLIT_OF_WORD: dict[str, Split] = {
    "train": "train", "training": "train", "trainval": "train", "default": "train",
    "valid": "valid", "val": "valid", "validation": "valid",
    "test": "test", "testing": "test",
}  # fmt: skip
"""``default`` is CVAT's name of all images that nobody divided."""
_FOLDER = re.compile(r"(?:obj_)?([a-z]+?)(?:[_-]?20\d\d)?(?:_data)?")
"""``Train``, ``val2017`` and ``obj_Test_data`` all name a split."""


def split_of_word(word: str) -> Split | None:
    """The split that a word means, whatever its case; None for other words."""
    return _SPLIT_OF_WORD.get(word.casefold())


def split_of_folder(name: str) -> Split | None:
    """The split that a folder's name means as a whole; None for other names."""
    match = _FOLDER.fullmatch(name.casefold())
    return split_of_word(match[1]) if match else None


def split_of_document(name: str) -> Split | None:
    """The split that a part of a file name means, as in ``instances_val2017.json``; None if there is not one."""
    splits = {split for word in re.split(r"[^a-z]+", name.casefold()) if (split := split_of_word(word))}
    return splits.pop() if len(splits) == 1 else None
