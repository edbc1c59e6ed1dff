"""Studies of settings: what to try, the trials, and what they came to. Plain data."""

import math
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from tasks.records.analysis import Gain, Measurement
from tasks.records.base import PROJECT_PATTERN, Augmentation, Fraction, ImageSize, Part, Record, Sha256, Split, Variant

MAX_TRIALS = 200


class SettingsSpace(Part):
    """The settings that a study tries; those without values are the request's."""

    trials: int | None = Field(
        default=None,
        ge=2,
        le=MAX_TRIALS,
        description="Number of combinations that Optuna chooses, with learning rate, batch size and augmentation as "
        "well; hopeless ones are stopped early. Empty for each combination of the values.",
    )
    variants: tuple[Variant, ...] = Field(default=(), description="YOLO-NAS sizes to try.")
    epochs: tuple[Annotated[int, Field(ge=1, le=10_000)], ...] = Field(
        default=(), description="Maximum numbers of epochs to try."
    )
    image_sizes: tuple[ImageSize, ...] = Field(
        default=(), description="Sides of the square network input to try, in pixels."
    )

    @field_validator("epochs", "image_sizes")
    @classmethod
    def _can_be_tried(cls, values: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        """A search compares models at the same epoch, and a study of all combinations must end some day."""
        if info.data.get("trials") is not None:
            if info.field_name == "epochs" and len(set(values)) > 1:
                raise PydanticCustomError(
                    "several_epochs", "a search compares its trials at the same epoch; name one number of epochs"
                )
            return values
        before = [len(set(info.data.get(name, ()))) for name in ("variants", "epochs") if name != info.field_name]
        combinations = math.prod(max(1, count) for count in (*before, len(set(values))))
        if combinations > MAX_TRIALS:
            raise PydanticCustomError(
                "too_many_combinations",
                "{combinations} combinations, at most {limit} can be tried; name fewer values",
                {"combinations": combinations, "limit": MAX_TRIALS},
            )
        return values

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to choose between."""
        values = max(len(set(self.variants)), len(set(self.epochs)), len(set(self.image_sizes)))
        return self.trials is None and values <= 1


class StudyIdentity(Record):
    """What makes two studies the same: its digest is part of their store keys."""

    base: Sha256 = Field(description="Key of the run of the first combination: labels, and what all have in common.")
    variants: tuple[Variant, ...] = Field(description="YOLO-NAS sizes to try, sorted.")
    epochs: tuple[int, ...] = Field(description="Numbers of epochs to try, sorted.")
    image_sizes: tuple[int, ...] = Field(description="Sides of the network input to try, sorted.")

    @classmethod
    def of(cls, base: str, space: SettingsSpace) -> "StudyIdentity":
        """The identity of a study; how many trials it has does not count, so that it can be given more."""
        return cls(
            base=base,
            variants=tuple(sorted(set(space.variants))),
            epochs=tuple(sorted(set(space.epochs))),
            image_sizes=tuple(sorted(set(space.image_sizes))),
        )


class TrialSettings(Part):
    """The settings of one trial, named as in a request."""

    variant: Variant = Field(description="YOLO-NAS size.")
    epochs: int = Field(ge=1, description="Maximum number of epochs.")
    image_size: ImageSize = Field(description="Side of the square network input in pixels.")
    batch_size: int | Literal["auto"] = Field(description="Images per optimiser step.")
    learning_rate: float | Literal["auto"] = Field(description="Peak learning rate of AdamW.")
    augmentation: Augmentation = Field(description="Augmentation preset.")

    @property
    def in_short(self) -> str:
        """What is tried without a search, such as ``s, 320 px, 30 epochs``."""
        return f"{self.variant}, {self.image_size} px, {self.epochs} epoch{'' if self.epochs == 1 else 's'}"

    @property
    def in_words(self) -> str:
        """All, such as ``s, 320 px, 30 epochs, batch 8, learning rate 0.002, augmentation light``."""
        rate = self.learning_rate if isinstance(self.learning_rate, str) else f"{self.learning_rate:.3g}"
        return f"{self.in_short}, batch {self.batch_size}, learning rate {rate}, augmentation {self.augmentation}"


class Trial(Record):
    """studies/<project>/<digest>/trials/<number>.json: one model that a study trains."""

    number: int = Field(ge=1, description="Number of the trial in the study.")
    settings: TrialSettings = Field(description="Its settings.")
    status: Literal["open", "trained", "stopped", "failed"] = Field(default="open", description="How far it is.")
    maps: dict[int, Fraction] = Field(default_factory=dict, description="Best mAP on the valid split so far, by epoch.")
    why: str | None = Field(default=None, description="Why it was stopped, or failed.")
    run_key: Sha256 | None = Field(default=None, description="Key of its training run, once that has ended.")

    @property
    def best_map(self) -> float:
        """The best mAP on the valid split so far; 0 before the first epoch."""
        return max(self.maps.values(), default=0.0)


class StudiedModel(Part):
    """A trained model of a study, as it was measured."""

    name: str = Field(description="Its settings in words, those that tell it from the other models.")
    settings: TrialSettings = Field(description="Its settings; batch size and learning rate as they were used.")
    run_key: Sha256 = Field(description="Key of the training run.")
    map: Measurement = Field(description="mAP on the measured split.")
    behind: Gain | None = Field(
        description="Difference in mAP to the most accurate model, on the same images; empty for that one."
    )
    valid_map: Fraction = Field(description="Best mAP on the valid split.")
    best_epoch: int = Field(ge=1, description="Epoch of the best weights.")
    still_rising: bool = Field(description="Whether mAP was still rising when training ended.")
    seconds: float = Field(ge=0, description="Wall time of training, seconds.")
    device: str = Field(description="Device that speed was measured on, and precision; empty if not measured.")
    latency_ms: float | None = Field(description="Median time of one image, milliseconds; empty if not measured.")
    parameters: int | None = Field(description="Number of parameters; empty if not measured.")
    file_bytes: int = Field(ge=0, description="Size of the weights file, bytes.")
    report: str = Field(description="Store key of the evaluation's numbers.")


class SettingsStudy(Record):
    """study.json: models of different settings, trained on the same labels and measured on the same images."""

    project: str = Field(pattern=PROJECT_PATTERN, description="Project of the labels.")
    snapshot_digest: Sha256 = Field(description="Digest of the labels.")
    split: Split = Field(description="Split that all were measured on.")
    sources: int = Field(ge=1, description="Number of source images that all were measured on.")
    models: tuple[StudiedModel, ...] = Field(min_length=1, description="Measured models, the most accurate first.")
    left_out: tuple[Trial, ...] = Field(description="Trials that were stopped, or failed.")
    recommended: Sha256 | None = Field(description="Run key of the recommended model; empty if none can be.")
    sentence: str = Field(description="The recommendation in words, with the figures.")
    rule: str = Field(description="Rule behind the recommendation.")
    caveats: tuple[str, ...] = Field(description="What else to know, a sentence each.")

    @property
    def choice(self) -> StudiedModel | None:
        """The recommended model."""
        return next((model for model in self.models if model.run_key == self.recommended), None)
