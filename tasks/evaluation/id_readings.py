"""What ids of detections mean, if they can be read in more than one way. Pure.

Ids that fit the ground truth are taken as they are, unless the boxes say clearly that they mean something else; ids
that do not fit are read in another way only if there is a single one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tasks.errors import BadInput
from tasks.evaluation.coco_shapes import some

NAMES_REMEDY = "give both files the same ids, or write file_name and category_name in each detection"


@dataclass(frozen=True)
class WrittenIds:
    """The ids of images or of classes that detections have."""

    place: str
    """The file."""
    kind: str
    """image or category."""
    keys: Sequence[str]
    """[D] the id of each detection, as text."""
    names: Mapping[int, str]
    """Names by id of the ground truth."""


class Reading(NamedTuple):
    """One way to read ids."""

    words: str
    """How they are read, as it follows "read"."""
    ids: Mapping[str, int]
    """Id of the ground truth by the id in the file, as text."""


class Evidence(NamedTuple):
    """How a reading fits the boxes."""

    overlapping: int
    """Detections that overlap a labelled box, of whatever class."""
    fitting: int
    """Those of them that the reading gives the right image and class."""


def choose_reading(
    written: WrittenIds, readings: Sequence[Reading], evidence_of: Callable[[Sequence[int | None]], Evidence]
) -> tuple[Mapping[str, int], str | None]:
    """Choose how to read ids.

    Args:
        written: The ids in the file.
        readings: Ways to read them; the first takes them as ids of the ground truth.
        evidence_of: How [D] ids of the ground truth, one for each detection, fit the boxes; None for an unknown id.

    Returns:
        Id of the ground truth by the id in the file, and a note where something has to be said about it.

    Raises:
        BadInput: no reading has all ids, or two have, and the boxes say that the first is not meant.
    """
    used = list(dict.fromkeys(written.keys))
    as_they_are, *others = (Reading(words, {key: ids[key] for key in used if key in ids}) for words, ids in readings)
    others = [other for other in others if len(other.ids) == len(used) and other.ids != as_they_are.ids]
    known = len(as_they_are.ids) == len(used)
    if known and not others:
        return as_they_are.ids, None
    if not others or (not known and any(other.ids != others[0].ids for other in others)):
        raise BadInput(_unknown(written, readings[0], others))
    plain = evidence_of([as_they_are.ids.get(key) for key in written.keys])
    pairs = [(other, evidence_of([other.ids[key] for key in written.keys])) for other in others]
    other, better = max(pairs, key=lambda pair: pair[1].fitting)
    if not known:
        if better.fitting < plain.fitting:
            raise BadInput(_unknown(written, readings[0], others))
        return other.ids, f"{written.place}: {written.kind} ids read {_meaning(other, written.names)}"
    if better.fitting <= plain.fitting:
        return as_they_are.ids, None
    found = (
        f"{better.fitting} detections fit labelled boxes with them {_meaning(other, written.names)}, "
        f"{plain.fitting} with them {_meaning(as_they_are, written.names)}"
    )
    clearly, mostly = better.fitting > 2 * plain.fitting, 2 * better.fitting >= better.overlapping
    if not clearly and not mostly:
        return as_they_are.ids, None
    if clearly and mostly:
        raise BadInput(f"{written.place}: {written.kind} ids can be read in two ways: {found}; {NAMES_REMEDY}")
    return as_they_are.ids, f"{written.place}: {written.kind} ids taken as the ground truth's, although {found}"


def _meaning(reading: Reading, names: Mapping[int, str]) -> str:
    """How ids are read, with a few examples."""
    examples = some([f"{key} = {names[value] or value}" for key, value in reading.ids.items()], limit=3)
    return f"{reading.words} ({examples})"


def _unknown(written: WrittenIds, ground_truth: Reading, others: Sequence[Reading]) -> str:
    unknown = [key for key in written.keys if key not in ground_truth.ids]
    known = [
        f"{key} ({written.names[value]})" if written.names[value] else key for key, value in ground_truth.ids.items()
    ]
    ways = "; they could be read " + ", or ".join(_meaning(other, written.names) for other in others) if others else ""
    return (
        f"{written.place}: {len(unknown)} of {len(written.keys)} detections have an unknown {written.kind} id: "
        f"{some(sorted(set(unknown)))}; the ground truth has {some(known)}{ways}; {NAMES_REMEDY}"
    )
