"""The choice as CSV: a row for each chosen image."""

import csv
from collections.abc import Sequence
from pathlib import Path

from tasks.records import Suggestion

COLUMNS = ("image", "file", "score", "uncertainty", "unlikeness", "rarity", "reasons")


def write_table(path: Path, suggestions: Sequence[Suggestion], files: Sequence[str]) -> None:
    """Write the table.

    Args:
        path: The file.
        suggestions: The chosen images.
        files: Name of the file of each.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for one, name in zip(suggestions, files, strict=True):
            measures = (one.score, one.uncertainty, one.unlikeness, one.rarity)
            writer.writerow([one.candidate.image, name, *measures, "; ".join(one.reasons)])
