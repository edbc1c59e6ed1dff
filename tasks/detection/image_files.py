"""Images on this machine: files, folders with their subfolders, patterns, and frames of videos, in a stable order."""

from collections.abc import Iterator, Sequence
from functools import cache, partial
from pathlib import Path

from tasks.detection.preprocess import DecodedImage
from tasks.detection.sources import Decode, Source, Sources
from tasks.detection.videos import VIDEO_SUFFIXES, count_frames, frames
from tasks.errors import BadRequest
from tasks.images.decoding import UnreadableImage
from tasks.images.file_kinds import IMAGE_SUFFIXES
from tasks.local.output_folder import has_results

WILDCARDS = frozenset("*?[")

NamedFile = tuple[str, Path]
"""A file, and its path below what a person named."""


def find_images(names: Sequence[str]) -> Sources:
    """Find the images that a person named. Hidden files and results of earlier runs below folders are left out.

    Args:
        names: Files, folders, and patterns such as ``day-*/**/*.jpg``.

    Returns:
        The images.

    Raises:
        BadRequest: there is no such file, or no image.
    """
    files: list[NamedFile] = []
    others = 0
    for name in names:
        path = Path(name)
        if path.is_dir():
            visible = [(file.relative_to(path).as_posix(), file) for file in _visible_files(path, "**/*")]
            wanted = [one for one in visible if one[1].suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES]
            files += wanted
            others += len(visible) - len(wanted)
        elif path.exists():
            files.append((path.name, path))
        elif WILDCARDS & set(name):
            files += _matching(name)
        else:
            raise BadRequest(f"{name}: no such file or folder; name images that exist")
    if not files:
        raise BadRequest(f"{', '.join(names)}: no images in there; name image files, or folders with some")
    count = sum(count_frames(path) if _is_video(path) else 1 for _, path in files)
    return Sources(count, _all_of(files), others)


def _visible_files(folder: Path, pattern: str) -> list[Path]:
    """Files that match, neither hidden nor in a folder with results of an earlier run."""
    is_output = cache(has_results)
    return [
        path
        for path in sorted(folder.glob(pattern))
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and not any(is_output(folder / parent) for parent in path.relative_to(folder).parents[:-1])
    ]


def _matching(pattern: str) -> list[NamedFile]:
    """Files that match a pattern, with their path below its part without wildcards."""
    parts = Path(pattern).parts
    first = next(index for index, part in enumerate(parts) if WILDCARDS & set(part))
    folder = Path(*parts[:first])
    files = _visible_files(folder, "/".join(parts[first:]))
    if not files:
        raise BadRequest(f"{pattern}: no file matches; correct the pattern")
    return [(path.relative_to(folder).as_posix(), path) for path in files]


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES


def _all_of(files: Sequence[NamedFile]) -> Iterator[Source]:
    for name, path in files:
        if _is_video(path):
            yield from frames(name, path)
        else:
            yield Source(name, partial(_load, path))


def _load(path: Path, decode: Decode) -> DecodedImage:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableImage(error.strerror or str(error)) from None
    return decode(data)
