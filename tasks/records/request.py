"""What a person, a schedule or a program asks for. Plain data."""

from typing import Annotated, Literal

from pydantic import Field

from tasks.records.base import PROJECT_PATTERN, Augmentation, Record, Sha256, Variant
from tasks.records.labels import LabelRules


class RetrainRequest(Record):
    """What a person, a schedule or a program asks for: labels in, a judged model out."""

    project: str = Field(
        pattern=PROJECT_PATTERN,
        description="Name of the line of models; with a workspace, also the Roboflow project.",
    )
    workspace: str | None = Field(default=None, description="Roboflow workspace to export the project from.")
    version: int | None = Field(default=None, ge=1, description="Roboflow version number; empty for the latest.")
    export: str | None = Field(
        default=None,
        description="Instead of Roboflow: a labelled export, as a folder or zip that the worker can read, "
        "or store://KEY of a zip in the store.",
    )
    class_map: dict[str, str] = Field(
        default_factory=dict,
        description="New class names by the old ones: two with one name are merged, an empty name drops the class.",
    )
    on_bad_image: Literal["fail", "skip"] = Field(
        default="fail", description="Whether pictures that are missing or cannot be decoded stop the run."
    )
    variant: Variant = Field(default="s", description="YOLO-NAS size: s (19 M weights), m (51 M) or l (67 M).")
    epochs: int = Field(default=100, ge=1, le=10_000, description="Most passes over the training pictures.")
    image_size: int = Field(
        default=640, ge=64, le=2048, multiple_of=32, description="Side of the square network input in pixels."
    )
    batch_size: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = Field(
        default="auto", description="Pictures per optimiser step; auto goes by the number of training pictures."
    )
    learning_rate: Annotated[float, Field(gt=0, le=1)] | Literal["auto"] = Field(
        default="auto", description="Peak learning rate of AdamW; auto goes by the weights that training starts from."
    )
    augmentation: Augmentation = Field(
        default="standard",
        description="Random changes of training pictures: none; light, mirrored and other colours; standard, also "
        "moved and scaled; strong, also mosaics and mixtures of pictures, but in the last epochs.",
    )
    patience: int = Field(default=20, ge=1, description="Stop after this many epochs without a better mAP.")
    seed: int = Field(default=0, ge=0, lt=2**31, description="Seed of everything random.")
    weights: str = Field(
        default="none",
        description="Where to start from: none (random), champion (the model in use), a weights file that the "
        "worker can read, or store://KEY.",
    )
    weights_sha256: Sha256 | None = Field(
        default=None, description="SHA-256 of the weights file; needed for a file or a key."
    )
    weights_licence: str | None = Field(
        default=None, min_length=1, max_length=200, description="Licence of those weights, kept with the model."
    )
    min_gain: float = Field(
        default=0.0, ge=0, le=1, description="Smallest rise of mAP over the champion that promotes, a fraction."
    )

    @property
    def rules(self) -> LabelRules:
        """How the labels are read."""
        return LabelRules(class_map=self.class_map, on_bad_image=self.on_bad_image)
