"""Check for leaks by bytes and by name: images, or versions and frames of one source, in several splits. Pure."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from tasks.images.source_names import clip_name, source_name, tile_parents
from tasks.labeling.findings import FindingCounter
from tasks.records import LabelledImage, Split


def check_leaks(images: Sequence[LabelledImage], findings: FindingCounter) -> None:
    """Count identical images, and copies, frames or tiles of one source, that are in several splits.

    Identical images within one split are counted too, as duplicates.
    """
    for identical in _grouped(lambda image: image.sha256, images).values():
        splits = _splits(identical)
        if len(splits) > 1:
            findings.add("leak-identical", _names(identical))
        if len(identical) > len(splits):
            findings.add("duplicate-images", _names(identical), count=len(identical) - len(splits))
    # Without .rf. a name says nothing: plain names such as 0001.jpg are used again for other images.
    copies = [image for image in images if ".rf." in image.file_name]
    frames = [image for image in images if clip_name(image.file_name) != source_name(image.file_name)]
    tiles = tile_parents(image.file_name for image in images)
    _check_groups("leak-source", _grouped(lambda image: source_name(image.file_name), copies), findings)
    _check_groups("leak-frames", _grouped(lambda image: clip_name(image.file_name), frames), findings)
    of_tiles = [image for image in images if image.file_name in tiles]
    _check_groups("leak-tiles", _grouped(lambda image: tiles[image.file_name], of_tiles), findings)


def _grouped(key: Callable[[LabelledImage], str], images: Iterable[LabelledImage]) -> dict[str, list[LabelledImage]]:
    groups: dict[str, list[LabelledImage]] = defaultdict(list)
    for image in images:
        groups[key(image)].append(image)
    return groups


def _check_groups(code: str, groups: Mapping[str, list[LabelledImage]], findings: FindingCounter) -> None:
    for name, images in groups.items():
        if len(_splits(images)) > 1:
            findings.add(code, f"{name} in {', '.join(sorted(_splits(images)))}")


def _splits(images: Iterable[LabelledImage]) -> set[Split]:
    return {image.split for image in images}


def _names(images: Sequence[LabelledImage]) -> str:
    return " = ".join(f"{image.split}/{image.file_name}" for image in images[:3])
