"""What to label next, or again: images that a model looked at, those that are suggested, what was sent. Plain data."""

from typing import Literal

from pydantic import Field

from tasks.records.base import Fraction, Part, Record, Sha256
from tasks.records.detection import DetectedObject, DetectOptions

LeftOutReason = Literal["labelled already", "sent before", "twice", "beyond the budget"]


class SuggestOptions(DetectOptions):
    """How images are chosen."""

    budget: int = Field(default=50, ge=1, le=1000, description="Number of images to choose.")


class Candidate(Part):
    """An image that a model looked at."""

    position: int = Field(ge=0, description="Its place among all images.")
    image: str = Field(description="Its name, below what was named.")
    sha256: Sha256 = Field(description="SHA-256 of its file.")
    difference_hash: int = Field(ge=0, lt=2**64, description="Its difference hash.")
    width: int = Field(ge=1, description="Width in pixels.")
    height: int = Field(ge=1, description="Height in pixels.")
    rotated: bool = Field(
        default=False,
        description="Whether it was turned as its EXIF data ask; its boxes are those of the turned image.",
    )
    objects: tuple[DetectedObject, ...] = Field(description="Boxes, also some below the threshold; the best first.")

    def detected(self, threshold: float) -> tuple[DetectedObject, ...]:
        """Boxes from the confidence threshold on."""
        return tuple(one for one in self.objects if one.score >= threshold)


class SeenImage(Part):
    """An image that nobody has to label again."""

    image: str = Field(description="Its name.")
    sha256: Sha256 = Field(description="SHA-256 of its file.")
    difference_hash: int = Field(ge=0, lt=2**64, description="Its difference hash.")
    seen: Literal["labelled already", "sent before"] = Field(description="Why nobody has to label it again.")


class Suggestion(Part):
    """An image to label next."""

    candidate: Candidate = Field(description="The image.")
    score: Fraction = Field(description="Mean of the three measures, at the moment when it was chosen.")
    uncertainty: Fraction = Field(description="1 for a box at the confidence threshold, 0 for none near it.")
    unlikeness: Fraction = Field(description="1 for an image unlike all that was seen, 0 for a near duplicate.")
    rarity: Fraction = Field(description="Nearly 1 for a class with few labelled boxes, 0 for the most frequent one.")
    reasons: tuple[str, ...] = Field(description="Why it was chosen, in words.")


class LeftOutImage(Part):
    """An image that is not suggested."""

    image: str = Field(description="Its name.")
    reason: LeftOutReason = Field(description="Why it is left out.")
    like: str = Field(default="", description="The image that it is equal to, or a near duplicate of.")


class Choice(Part):
    """What to label next, and what not."""

    suggestions: tuple[Suggestion, ...] = Field(description="The images to label, the best first.")
    left_out: tuple[LeftOutImage, ...] = Field(description="All others.")


class SentImage(Record):
    """An image that was sent to a Roboflow project. Its presence means that image and boxes are there."""

    image: str = Field(description="Its name when it was sent.")
    sha256: Sha256 = Field(description="SHA-256 of its file.")
    difference_hash: int = Field(ge=0, lt=2**64, description="Its difference hash.")
    image_id: str = Field(description="Roboflow's id of it.")
    batch: str = Field(description="Batch that it was sent in.")
    outcome: Literal["sent", "there already"] = Field(description="Whether Roboflow had it before.")


class ReturnedImage(Record):
    """An image with suspected label errors that was given back to labelling. Its presence means that it is tagged."""

    image: str = Field(description="Its name in the labels.")
    sha256: Sha256 = Field(description="SHA-256 of its file in the labels.")
    labels_digest: Sha256 = Field(description="Digest of its boxes: with other boxes it may be given back again.")
    model: str = Field(description="The version whose detections contradict the labels.")
    image_id: str = Field(description="Roboflow's id of it.")
    tag: str = Field(description="Tag that it has in Roboflow.")
    outcome: Literal["tagged", "sent"] = Field(description="Whether the project had it, or it was sent there.")
