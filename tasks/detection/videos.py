"""Frames of videos, one after the other, so that only a few are in memory."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import av

from tasks.detection.preprocess import DecodedImage
from tasks.detection.sources import Decode, Source
from tasks.images.decoding import UnreadableImage

VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv"})


def count_frames(path: Path) -> int:
    """How many frames a video has, as it says or by its length; 1 if it does not say, or cannot be read."""
    try:
        with av.open(path) as container:
            stream = container.streams.video[0]
            seconds = (container.duration or 0) / av.time_base
            return stream.frames or round(seconds * float(stream.average_rate or 0)) or 1
    except (av.error.FFmpegError, IndexError, OSError):
        return 1


def frames(name: str, path: Path) -> Iterator[Source]:
    """The frames of a video, as images named ``clip_mp4-0001.jpg`` and so on, as Roboflow names them.

    A video that cannot be read, or ends in the middle of a frame, gives a last image that cannot be read.

    Args:
        name: Name of the video.
        path: Its file.

    Yields:
        The frames.
    """
    stem, _, suffix = name.rpartition(".")
    try:
        with av.open(path) as container:
            for stream in container.streams.video:
                stream.thread_type = "AUTO"
            for number, frame in enumerate(container.decode(video=0), start=1):
                pixels = frame.to_ndarray(format="bgr24")
                image = DecodedImage(pixels, pixels.shape[1], pixels.shape[0])
                yield Source(f"{stem}_{suffix}-{number:04d}.jpg", partial(_as_it_is, image))
    except (av.error.FFmpegError, IndexError, OSError) as error:
        words = getattr(error, "strerror", None) or str(error)
        yield Source(name, partial(_refuse, f"a video that cannot be read on ({words})"))


def _as_it_is(image: DecodedImage, decode: Decode) -> DecodedImage:
    return image


def _refuse(why: str, decode: Decode) -> DecodedImage:
    raise UnreadableImage(why)
