"""The licence that an export states for its images: Roboflow writes it into a readme, and into YOLO's data.yaml."""

import re
from pathlib import Path

FILES = ("README.dataset.txt", "README.roboflow.txt", "data.yaml")
"""Where it may be, the surest first."""
LINE = re.compile(r"^[ \t]*licen[cs]e[ \t]*:[ \t]*(\S.*?)[ \t]*$", re.IGNORECASE | re.MULTILINE)
MAX_BYTES, MAX_LENGTH = 1_000_000, 200
UNKNOWN = {"null", "none", "unknown", "~"}


def find_licence(root: Path) -> str | None:
    """Find what an export says about its licence.

    Args:
        root: The unpacked export.

    Returns:
        The licence as the export states it; None if it states none.
    """
    for name in FILES:
        path = root / name
        if path.is_file() and path.stat().st_size <= MAX_BYTES:
            stated = LINE.search(path.read_text("utf-8", "replace"))
            licence = " ".join(stated[1].strip("\"'").split())[:MAX_LENGTH] if stated else ""
            if licence and licence.lower() not in UNKNOWN:
                return licence
    return None
