"""A store as a nasflow wrote it before recipes and scorings had numbers."""

import json
from typing import Any

from tasks.metrics.scoring_number import SCORING
from tasks.storage.s3 import Store

NUMBERS = ("recipe", "scoring")
PLACES = (f"scoring-{SCORING}/", f"-scoring-{SCORING}")
"""What the present number adds to keys."""


def make_older(store: Store) -> None:
    """Take all numbers out of the documents and the keys of a store that the present nasflow wrote."""
    for key in store.list(""):
        content, _ = store.get(key)
        if key.endswith(".json"):
            content = json.dumps(_without_numbers(json.loads(content))).encode()
        store.delete([key])
        store.put(_older_name(key), content)


def _older_name(text: str) -> str:
    for place in PLACES:
        text = text.replace(place, "")
    return text


def _without_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_numbers(part) for name, part in value.items() if name not in NUMBERS}
    if isinstance(value, list):
        return [_without_numbers(part) for part in value]
    return _older_name(value) if isinstance(value, str) else value
