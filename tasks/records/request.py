"""What a person, a schedule or a program asks for. Plain data."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from tasks.records.base import PROJECT_PATTERN, Augmentation, Fraction, Record, Sha256, Variant
from tasks.records.evaluation import ThresholdGoal
from tasks.records.gate import GatePolicy
from tasks.records.labels import LabelRules


class RetrainRequest(Record):
    """What a person, a schedule or a program asks for: labels in, a judged model out."""

    schema_version: int = Field(default=2, description="Version of this record's layout.")
    project: str = Field(
        pattern=PROJECT_PATTERN,
        description="Name of the line of models; with a workspace, also the Roboflow project.",
    )
    workspace: str | None = Field(default=None, description="Roboflow workspace to export the project from.")
    version: int | None = Field(default=None, ge=1, description="Roboflow version number; empty for the latest.")
    generate_after: int | None = Field(
        default=None,
        ge=1,
        description="Generate a new Roboflow version when at least this many images were labelled since the "
        "last one, with its preprocessing and augmentation; empty for never.",
    )
    export: str | None = Field(
        default=None,
        description="Instead of Roboflow: a labelled export, as a folder or zip that the worker can read, "
        "or store://KEY of a zip in the store.",
    )
    class_map: dict[str, str] = Field(
        default_factory=dict,
        description="New class names by the old ones: two with one name are merged, an empty name drops the class.",
    )
    on_unreadable_image: Literal["fail", "skip"] = Field(
        default="fail", description="Whether images that are missing or cannot be decoded stop the run."
    )
    max_unreadable_images: Fraction = Field(
        default=0.1, description="Share of such images above which skipping stops the run after all."
    )
    variant: Variant = Field(default="s", description="YOLO-NAS size: s (19 M weights), m (51 M) or l (67 M).")
    epochs: int = Field(default=100, ge=1, le=10_000, description="Most passes over the training images.")
    image_size: int = Field(
        default=640, ge=64, le=2048, multiple_of=32, description="Side of the square network input in pixels."
    )
    batch_size: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = Field(
        default="auto", description="Images per optimiser step; auto goes by the number of training images."
    )
    learning_rate: Annotated[float, Field(gt=0, le=1)] | Literal["auto"] = Field(
        default="auto", description="Peak learning rate of AdamW; auto goes by the weights that training starts from."
    )
    augmentation: Augmentation = Field(
        default="standard",
        description="Random changes of training images: none; light, mirrored and other colours; standard, also "
        "moved and scaled; strong, also mosaics and mixtures of images, but in the last epochs.",
    )
    patience: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        default="auto",
        description="Stop after this many epochs without a better mAP; auto is a share of the epochs, since much is "
        "gained late, when the learning rate falls.",
    )
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
    threshold_for: ThresholdGoal = Field(
        default="balance",
        description="What the confidence threshold is chosen for: balance (best F1), precision (F0.5: few false "
        "positives) or recall (F2: few false negatives).",
    )
    gate: GatePolicy = Field(default_factory=GatePolicy, description="What a model has to reach to be promoted.")
    promote_anyway: str | None = Field(
        default=None,
        min_length=3,
        max_length=200,
        description="Promote whatever the gate says, for this reason, which is kept with the model.",
    )

    @field_validator("generate_after")
    @classmethod
    def _fits_the_labels(cls, value: int | None, info: ValidationInfo) -> int | None:
        """A new version is one of Roboflow's, and then the latest."""
        if value is not None and (info.data.get("workspace") is None or info.data.get("version") is not None):
            raise PydanticCustomError(
                "no_new_version", "goes with a Roboflow workspace, and without a version number; correct one of the two"
            )
        return value

    @property
    def rules(self) -> LabelRules:
        """How the labels are read."""
        return LabelRules(
            class_map=self.class_map,
            on_unreadable_image=self.on_unreadable_image,
            max_unreadable_images=self.max_unreadable_images,
        )
