"""The gate: the limits that a candidate has to meet, and the decision. Plain data."""

from typing import Literal

from pydantic import Field

from tasks.records.base import Fraction, Part, Record


class GatePolicy(Part):
    """What a candidate has to reach to become the champion; ``tasks.promotion.gate`` has the rule of each field."""

    min_gain: Fraction = Field(
        default=0.0, description="Minimum gain in mAP, a fraction; the whole interval must be above it."
    )
    confidence_level: float = Field(
        default=0.95, ge=0.5, lt=1, description="Confidence level of that interval, a fraction."
    )
    min_images: int = Field(default=8, ge=2, description="Minimum number of source images to compare on.")
    min_ap: dict[str, Fraction] = Field(
        default_factory=dict, description="Minimum AP by class name, also for the first model."
    )
    max_latency_ms: float | None = Field(
        default=None, gt=0, description="Maximum median time of one image on the evaluating device, milliseconds."
    )
    max_file_mb: float | None = Field(default=None, gt=0, description="Maximum size of the weights file, megabytes.")


class GateCheck(Part):
    """The result of one rule of the gate."""

    name: str = Field(description="What was checked.")
    passed: bool | None = Field(description="Whether the policy is met; empty if that cannot be told.")
    text: str = Field(description="The result in a sentence, with the figures.")


class Answer(Part):
    """The answer of a person who was asked whether to promote a model."""

    answer: Literal["promote", "keep", "none"] = Field(description="The answer; none if nobody answered in time.")
    by: str | None = Field(default=None, description="Who answered; empty if they gave no name.")
    why: str | None = Field(default=None, description="Reason that they gave.")


class PromotionDecision(Record):
    """Whether a candidate becomes the champion, and why."""

    schema_version: int = Field(default=2, description="Version of this record's layout.")
    promote: bool = Field(description="Whether the candidate becomes the champion.")
    verdict: Literal["promote", "keep", "cannot tell"] = Field(description="Verdict of the rules, before any override.")
    reason: str = Field(description="Reason in one sentence, with the figures.")
    checks: tuple[GateCheck, ...] = Field(default=(), description="Results of all rules that apply.")
    overridden: str | None = Field(default=None, description="Reason of the override, if it is promoted on request.")
    answer: Literal["promote", "keep", "none"] | None = Field(
        default=None,
        description="Answer of a person who was asked because it could not be told; none if nobody answered in time, "
        "empty if nobody was asked.",
    )
    answered_by: str | None = Field(default=None, description="Who answered, if they gave a name.")
    answered_why: str | None = Field(default=None, description="Reason of the answer, if they gave one.")
    candidate_map: Fraction = Field(description="mAP of the candidate.")
    champion_map: Fraction | None = Field(
        description="mAP of the champion on the same split; empty for the first model, or if it was not measured."
    )
    champion_version: int | None = Field(
        description="Version of the champion it was compared with; empty without a comparison."
    )
    policy: GatePolicy = Field(default_factory=GatePolicy, description="The policy that was applied.")

    @property
    def is_open(self) -> bool:
        """Whether it could not be told, and nobody has decided it otherwise."""
        return self.verdict == "cannot tell" and not self.promote and self.answer is None
