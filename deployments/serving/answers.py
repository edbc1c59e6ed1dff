"""What the server answers: the documents, and refusals."""

from datetime import datetime

from pydantic import BaseModel, Field


class DetectionAnswer(BaseModel):
    """A detected object."""

    class_name: str = Field(serialization_alias="class", description="Name of its class.")
    score: float = Field(description="Confidence, a fraction in [0, 1].")
    bbox: tuple[float, float, float, float] = Field(
        description="Left, top, width and height in pixels of the image, as in COCO."
    )


class DetectAnswer(BaseModel):
    """What was detected on an image."""

    model: str = Field(description="The model, PROJECT/VERSION or the name of its file.")
    project: str | None = Field(description="Project of the model, as far as it has one.")
    version: int | None = Field(description="Version of the model, as far as it has one.")
    width: int = Field(description="Of the image, in pixels.")
    height: int = Field(description="Of the image, in pixels.")
    threshold: float = Field(description="Confidence threshold; weaker detections are left out.")
    detections: list[DetectionAnswer] = Field(description="Detected objects, the best first.")
    seconds: float = Field(description="Time for decoding and detecting, without waiting.")


class VersionAnswer(BaseModel):
    """What serves."""

    nasflow: str = Field(description="Version of nasflow.")
    model: str = Field(description="The model, PROJECT/VERSION or the name of its file.")
    project: str | None = Field(description="Project of the model, as far as it has one.")
    version: int | None = Field(description="Version of the model, as far as it has one.")
    weights_sha256: str = Field(description="SHA-256 of the trained weights.")
    classes: list[str] = Field(description="Names of the classes.")
    threshold: float = Field(description="Confidence threshold that the model was published with.")
    image_size: int = Field(description="Side of the network's input in pixels.")
    device: str = Field(description="What computes the network.")
    since: datetime = Field(description="When this model was loaded.")


class HealthAnswer(BaseModel):
    """That the server is there."""

    ok: bool


class ErrorAnswer(BaseModel):
    """Why there is no other answer."""

    error: str = Field(description="One sentence.")


class Refused(Exception):
    """A request that gets another answer than 200."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}


def unavailable(message: str, retry_after: int) -> Refused:
    """A refusal that ends by itself after some seconds."""
    return Refused(503, message, {"Retry-After": str(retry_after)})
