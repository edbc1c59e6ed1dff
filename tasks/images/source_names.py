"""What the names of images tell: which are versions of one image, and which are frames of one clip."""

import re

_FRAME = re.compile(r"(?P<clip>.+_(?:mp4|mov|avi|mkv|webm|m4v|mpg|mpeg|wmv))-\d+", re.IGNORECASE)


def source_name(file_name: str) -> str:
    """The image's name before Roboflow's ``.rf.<hash>``, which all its augmented copies share."""
    stem, mark, _ = file_name.rpartition(".rf.")
    return stem if mark else file_name


def clip_name(file_name: str) -> str:
    """What frames of one video share, as Roboflow names them (``cows_mp4-0007``); else the source's name."""
    source = source_name(file_name)
    return clip["clip"] if (clip := _FRAME.match(source)) else source
