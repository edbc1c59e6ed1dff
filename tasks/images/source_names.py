"""What file names tell about images: which are versions of one source image, and which are frames of one clip."""

import re

_FRAME = re.compile(r"(?P<clip>.+_(?:mp4|mov|avi|mkv|webm|m4v|mpg|mpeg|wmv))-\d+", re.IGNORECASE)


def source_name(file_name: str) -> str:
    """Name of the source image: what precedes Roboflow's ``.rf.<hash>``, which all augmented copies share."""
    stem, separator, _ = file_name.rpartition(".rf.")
    return stem if separator else file_name


def clip_name(file_name: str) -> str:
    """Name of the video of a frame as Roboflow names frames (``cows_mp4-0007``); else that of the source image."""
    source = source_name(file_name)
    return frame["clip"] if (frame := _FRAME.match(source)) else source
