"""A published model on images of the store: what is asked for, and what is kept. Plain data."""

from typing import Literal

from pydantic import Field

from tasks.records.base import PROJECT_PATTERN, Fraction, Part, Record, Sha256, StoredFile

DetectionPrecision = Literal["bf16", "fp32"]


class DetectOptions(Part):
    """How a model is used on new images."""

    threshold: Fraction | None = Field(
        default=None, description="Confidence threshold; left out, the one that was chosen for the model."
    )
    tile: int | None = Field(
        default=None, ge=32, description="Side of tiles in pixels, for small objects in large images; left out, none."
    )
    precision: DetectionPrecision | None = Field(
        default=None, description="Number format; left out, what the processor computes fastest."
    )


class DetectRequest(Record):
    """Parameter of the detect deployment: a published model on the images below a prefix of the store."""

    project: str = Field(pattern=PROJECT_PATTERN, description="Project of the model.")
    version: int | None = Field(
        default=None, ge=1, description="Version of the model; left out, the champion at the time of the run."
    )
    prefix: str = Field(min_length=1, description="Prefix of the images in the store, such as cameras/gate/.")


class DetectedObject(Part):
    """An object in an image."""

    class_name: str = Field(description="Name of its class.")
    score: Fraction = Field(description="Score.")
    bbox: tuple[float, float, float, float] = Field(
        description="Left, top, width and height in pixels of the image, turned as its EXIF data ask."
    )


class ImageDetections(Record):
    """What a version of a model detected on an image of the store. Its presence means that the image is done."""

    project: str = Field(description="Project of the model.")
    version: int = Field(ge=1, description="Version of the model.")
    image: str = Field(description="Key of the image.")
    etag: str = Field(description="ETag of the image: it has another one once it is replaced.")
    threshold: Fraction = Field(description="Confidence threshold.")
    width: int = Field(default=0, ge=0, description="Width in pixels; 0 if it could not be read.")
    height: int = Field(default=0, ge=0, description="Height in pixels; 0 if it could not be read.")
    objects: tuple[DetectedObject, ...] = Field(default=(), description="Detected objects, the best first.")
    annotated: StoredFile | None = Field(default=None, description="The image with its detections drawn.")
    failed: str | None = Field(default=None, description="Why the image could not be read.")


class UnreadImage(Part):
    """An image that could not be read."""

    image: str = Field(description="Key of the image.")
    why: str = Field(description="Why it could not be read.")


class DetectOutcome(Record):
    """What a run of the detect deployment came to."""

    project: str = Field(description="Project of the model.")
    version: int = Field(ge=1, description="Version of the model.")
    weights_sha256: Sha256 = Field(description="SHA-256 of its weights.")
    prefix: str = Field(description="Prefix of the images.")
    images: int = Field(ge=0, description="Images below the prefix.")
    done_before: int = Field(ge=0, description="Images that were done before, or by another run meanwhile.")
    detected: int = Field(ge=0, description="Images that this run detected on.")
    detections: int = Field(ge=0, description="Detections on them.")
    per_class: dict[str, int] = Field(description="Detections on them by class.")
    failed: tuple[UnreadImage, ...] = Field(description="Images that this run could not read.")
    file: StoredFile | None = Field(description="Detections of this run as COCO JSON; empty if there was nothing new.")
