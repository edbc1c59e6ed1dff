"""Training a published version again: what is asked for, and what came of it. Plain data."""

from pydantic import Field

from tasks.records.base import PROJECT_PATTERN, Fraction, Part, Record, Sha256


class ReplayRequest(Record):
    """Parameter of the replay deployment: which published version is trained again."""

    project: str = Field(pattern=PROJECT_PATTERN, description="Project of the model.")
    version: int = Field(ge=1, description="Version that is trained again.")


class ReplayDifference(Part):
    """Something that may explain other weights."""

    name: str = Field(description="What differs: a package, the machine, or how the run fitted it.")
    before: str | None = Field(description="As it was when the version was trained; empty if it had none.")
    now: str | None = Field(description="As it was when it was trained again; empty if it has none.")


class ReplayOutcome(Record):
    """Whether a version that was trained again has the same weights, and what may explain it if not."""

    project: str = Field(pattern=PROJECT_PATTERN, description="Project of the model.")
    version: int = Field(ge=1, description="Version that was trained again.")
    run_key: Sha256 = Field(description="Key of its training run.")
    weights_sha256: Sha256 = Field(description="SHA-256 of the weights of the version.")
    replayed_sha256: Sha256 = Field(description="SHA-256 of the weights of the replay.")
    valid_map: Fraction | None = Field(
        description="mAP of the version on its valid split; empty if its run was trained again since."
    )
    replayed_map: Fraction = Field(description="mAP of the replay on the same images.")
    differences: tuple[ReplayDifference, ...] | None = Field(
        description="What differs; empty if it is not known what the version was trained with."
    )
    seconds: float = Field(ge=0, description="Wall time of the replay's training, seconds.")

    @property
    def equal(self) -> bool:
        """Whether the weights are the same to the bit."""
        return self.weights_sha256 == self.replayed_sha256
