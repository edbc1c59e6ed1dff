"""The request for a retrain run. Plain data."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from tasks.records.base import (
    DEFAULT_IMAGE_SIZE,
    PROJECT_PATTERN,
    Augmentation,
    Fraction,
    ImageSize,
    Record,
    Sha256,
    Variant,
)
from tasks.records.evaluation import ThresholdGoal
from tasks.records.gate import GatePolicy
from tasks.records.labels import Annotator, Background, BoxOrientation, DoubleBoxes, LabelRules
from tasks.records.pretrained import COCO_LICENCE


class RetrainRequest(Record):
    """The parameters of a retrain run, as a person, a schedule or a program sets them."""

    schema_version: int = Field(default=2, description="Version of this record's layout.")
    project: str = Field(
        pattern=PROJECT_PATTERN,
        description="Project that the model belongs to; with a workspace, also the name of the Roboflow project.",
    )
    workspace: str | None = Field(default=None, description="Roboflow workspace to export the project from.")
    version: int | None = Field(default=None, ge=1, description="Roboflow version number; empty for the latest.")
    generate_after: int | None = Field(
        default=None,
        ge=1,
        description="Number of newly labelled images from which on a new Roboflow version is generated, with the "
        "preprocessing and augmentation of the last one; empty for never.",
    )
    query: str | None = Field(
        default=None,
        min_length=1,
        max_length=500,
        description="Instead of a version, the images of the Roboflow project that its search finds with this query, "
        "such as tag:reviewed; as they are, without preprocessing.",
    )
    export: str | None = Field(
        default=None,
        description="Labelled export instead of Roboflow: a folder or zip that the worker can read, or store://KEY of "
        "a zip in the store.",
    )
    class_map: dict[str, str] = Field(
        default_factory=dict,
        description="New class names by old ones: classes with the same new name are merged, an empty name drops the "
        "class.",
    )
    on_unreadable_image: Literal["fail", "skip"] = Field(
        default="fail", description="What to do with images that are missing or cannot be decoded: fail or skip."
    )
    max_unreadable_images: Fraction = Field(
        default=0.1, description="Maximum share of unreadable images; above it a run fails although they are skipped."
    )
    orientation: BoxOrientation = "auto"
    background: Background = "keep"
    double_boxes: DoubleBoxes = "keep"
    annotator: Annotator = None
    variant: Variant = Field(default="s", description="YOLO-NAS size: s (19 M parameters), m (51 M) or l (67 M).")
    epochs: int = Field(default=100, ge=1, le=10_000, description="Maximum number of epochs.")
    image_size: ImageSize = Field(default=DEFAULT_IMAGE_SIZE, description="Side of the square network input in pixels.")
    batch_size: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = Field(
        default="auto", description="Images per optimiser step; auto depends on the number of training images."
    )
    learning_rate: Annotated[float, Field(gt=0, le=1)] | Literal["auto"] = Field(
        default="auto", description="Peak learning rate of AdamW; auto depends on the weights to start from."
    )
    augmentation: Augmentation = Field(
        default="standard",
        description="Augmentation of training images: none; light (flips and colours); standard (also shifts and "
        "scales); strong (also mosaics and mixup, except in the last epochs).",
    )
    patience: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        default="auto",
        description="Number of epochs without a better mAP after which training stops; auto is a share of the epochs, "
        "because much is gained late, when the learning rate falls.",
    )
    seed: int = Field(default=0, ge=0, lt=2**31, description="Seed of all random numbers.")
    weights: str = Field(
        default="none",
        description="Weights to start from: none (random), champion (the model in use), coco (super-gradients' own, "
        "fetched once), a file that the worker can read, or store://KEY.",
    )
    weights_sha256: Sha256 | None = Field(
        default=None,
        description="SHA-256 of the weights; required for a file or a key, known for coco.",
    )
    weights_licence: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="Licence of those weights; kept with the model. Known for coco.",
    )
    accept_licence: bool = Field(
        default=False,
        validate_default=True,
        description="Whether you accept the licence of the coco weights, which bars commercial use and production.",
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
        description="Reason to promote regardless of the gate; kept with the model. Empty to follow the gate.",
    )

    ask: bool = Field(
        default=False,
        description="Whether a person is asked when the gate cannot tell; the run is suspended until somebody answers.",
    )
    ask_hours: float = Field(
        default=72, gt=0, le=720, description="Hours to wait for that answer; without one the champion stays."
    )

    @field_validator("generate_after")
    @classmethod
    def _fits_the_labels(cls, value: int | None, info: ValidationInfo) -> int | None:
        """A new version can only be generated with a workspace, and is then the latest."""
        if value is not None and (info.data.get("workspace") is None or info.data.get("version") is not None):
            raise PydanticCustomError(
                "no_new_version", "goes with a Roboflow workspace, and without a version number; correct one of the two"
            )
        return value

    @field_validator("query")
    @classmethod
    def _is_instead_of_a_version(cls, value: str | None, info: ValidationInfo) -> str | None:
        """A search finds images of a Roboflow project, and no version of it."""
        of_a_version = any(info.data.get(name) is not None for name in ("version", "generate_after"))
        if value is not None and (info.data.get("workspace") is None or of_a_version):
            raise PydanticCustomError(
                "no_search", "goes with a Roboflow workspace, without version and generate_after; correct one of them"
            )
        return value

    @field_validator("accept_licence")
    @classmethod
    def _licence_is_accepted(cls, value: bool, info: ValidationInfo) -> bool:
        """Published weights are not fetched before their licence was accepted."""
        if info.data.get("weights") == "coco" and not value:
            raise PydanticCustomError(
                "licence_not_accepted",
                "weights coco have a licence ({licence}); read it, and set this if you accept it",
                {"licence": COCO_LICENCE},
            )
        return value

    @property
    def rules(self) -> LabelRules:
        """The rules for reading the labels."""
        return LabelRules(
            class_map=self.class_map,
            on_unreadable_image=self.on_unreadable_image,
            max_unreadable_images=self.max_unreadable_images,
            orientation=self.orientation,
            background=self.background,
            double_boxes=self.double_boxes,
            annotator=self.annotator,
            image_size=self.image_size,
        )
