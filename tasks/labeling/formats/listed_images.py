"""Finding the images that a label file lists by name, where the name is a path of another machine. Pure."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePosixPath

from tasks.labeling.findings import FindingCounter
from tasks.labeling.formats.layout import folded, stays_inside


class ListedImages:
    """The images of a split, found by the names that labels give them.

    Args:
        names: Names of the images on disk, as paths below the split's folder.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = frozenset(names)
        self._by_last_part: dict[str, list[str]] = defaultdict(list)
        for name in sorted(self._names):
            self._by_last_part[folded(PurePosixPath(name).name)].append(name)

    def find(self, listed: str, place: str, findings: FindingCounter) -> str | None:
        """Find an image.

        It is the one that has the listed path; else the only one whose path ends in it; else the only one with the same
        last part, whatever its case and form of Unicode, which is counted.

        Args:
            listed: Name in the labels.
            place: Name of the entry in findings.
            findings: Counts names that lead out of the folder, or that fit several images.

        Returns:
            Name of the image on disk; the listed name if there is none such; None if it must not be used.
        """
        if listed in self._names:
            return listed
        name = listed.replace("\\", "/").removeprefix("./")
        same_end = self._by_last_part.get(folded(PurePosixPath(name).name), [])
        longer = [candidate for candidate in same_end if candidate.endswith(f"/{name}") or candidate == name]
        if len(longer) == 1:
            return longer[0]
        if len(same_end) == 1:
            findings.add("image-by-last-part", f"{place}: {same_end[0]}")
            return same_end[0]
        if len(same_end) > 1:
            findings.add("image-name-ambiguous", f"{place}: {' or '.join(same_end[:3])}")
            return None
        if not stays_inside(listed):
            findings.add("bad-file-name", place)
            return None
        return listed
