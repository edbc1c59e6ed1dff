"""The gate: what a candidate has to reach, and what was decided. Plain data."""

from typing import Literal

from pydantic import Field

from tasks.records.base import Fraction, Part, Record


class GatePolicy(Part):
    """What a candidate has to reach to replace the champion."""

    min_gain: Fraction = Field(
        default=0.0, description="The whole interval of the gain in mAP lies above this fraction."
    )
    confidence_level: float = Field(default=0.95, ge=0.5, lt=1, description="Confidence of that interval, a fraction.")
    min_images: int = Field(default=8, ge=2, description="With fewer source images to measure on, nothing can be told.")
    min_ap: dict[str, Fraction] = Field(
        default_factory=dict, description="AP that a class must reach, by its name, with or without a champion."
    )
    max_latency_ms: float | None = Field(
        default=None, gt=0, description="Longest median time of one image on the device that measures, milliseconds."
    )
    max_file_mb: float | None = Field(default=None, gt=0, description="Largest weights file, megabytes.")


class GateCheck(Part):
    """One thing that the gate looked at."""

    name: str = Field(description="What was looked at.")
    passed: bool | None = Field(description="Whether it is as the policy asks; empty if that cannot be told.")
    text: str = Field(description="The figures, in a sentence.")


class PromotionDecision(Record):
    """Whether a candidate becomes the champion, and why."""

    schema_version: int = Field(default=2, description="Version of this record's layout.")
    promote: bool = Field(description="True if the alias should move.")
    verdict: Literal["promote", "keep", "cannot tell"] = Field(description="The gate's own word.")
    reason: str = Field(description="Why, in one sentence with the figures.")
    checks: tuple[GateCheck, ...] = Field(default=(), description="Everything that was looked at.")
    overridden: str | None = Field(default=None, description="Why it is promoted whatever the gate says, if it is.")
    candidate_map: Fraction = Field(description="mAP of the candidate.")
    champion_map: Fraction | None = Field(description="mAP of the champion on the same images; empty for the first.")
    champion_version: int | None = Field(description="Version of the champion that was compared.")
    policy: GatePolicy = Field(default_factory=GatePolicy, description="What was asked.")
