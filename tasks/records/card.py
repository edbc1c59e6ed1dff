"""The model card as a record. Plain data."""

from typing import Literal

from pydantic import Field

from tasks.records.base import Part, Record, Split
from tasks.records.evaluation import AliasMove, ModelVersion
from tasks.records.labels import LabelSource, SplitCounts
from tasks.records.training import TrainingResult, TrainingSpec


class CardData(Part):
    """The labels that a model was trained and measured on."""

    source: LabelSource = Field(description="Where the labels first came from.")
    licence: str | None = Field(description="Licence that the export states; empty if it states none.")
    splits: dict[Split, SplitCounts] = Field(description="Counts by split.")
    held_out: int = Field(ge=0, description="Number of images of valid that were split off train.")
    boxes: dict[str, int] = Field(description="Labelled boxes by class name, of all splits.")


class ModelCard(Record):
    """What a published version is, what it was made from, and how good it is."""

    task: Literal["object detection"] = Field(default="object detection", description="What the model does.")
    version: ModelVersion = Field(description="The version: classes, scores with intervals, threshold, and files.")
    champion: bool = Field(description="Whether it is the champion now.")
    champion_moves: tuple[AliasMove, ...] = Field(description="When it became the champion, and why.")
    data: CardData | None = Field(description="Its labels; empty if they are not in the store any more.")
    spec: TrainingSpec | None = Field(description="Specification of its run; empty if it is not in the store any more.")
    training: TrainingResult | None = Field(description="Result of its run; empty if it is not in the store any more.")
