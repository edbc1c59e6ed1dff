"""What the project's page is made from, and what versions have in common. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from tasks.records import AliasMove, ModelAlias, ModelVersion, VersionLabels


@dataclass(frozen=True)
class ProjectContent:
    """A project as the registry has it."""

    project: str
    versions: Sequence[ModelVersion]
    """All published versions, oldest first."""
    alias: ModelAlias | None
    """The alias champion; None if it was never set."""
    labels: Mapping[int, VersionLabels]
    """By version; those whose labels are not in the store any more are missing."""

    @property
    def moves(self) -> tuple[AliasMove, ...]:
        """All moves of the champion, oldest first."""
        return self.alias.history if self.alias else ()

    @property
    def champion_number(self) -> int | None:
        """The version that is the champion; None if there is none."""
        return self.alias.version if self.alias else None

    @property
    def champion(self) -> ModelVersion | None:
        """The card of the champion; None if there is no champion, or its card is gone."""
        return next((version for version in self.versions if version.version == self.champion_number), None)

    @cached_property
    def champions(self) -> set[int]:
        """Numbers of the versions that are the champion, or were."""
        return {move.version for move in self.moves}

    @cached_property
    def image_sets(self) -> dict[int, int]:
        """For each version the number of the set of images that it was measured on, by one scoring, from 1.

        Only scores on one set can be compared. What a lost snapshot had is not known: its digest stands for it.
        """
        numbers: dict[tuple[str, int], int] = {}
        found = {}
        for version in self.versions:
            labels = self.labels.get(version.version)
            measured_on = labels.measured_digest if labels else f"{version.snapshot_digest} {version.split}"
            found[version.version] = numbers.setdefault((measured_on, version.scoring), len(numbers) + 1)
        return found

    @cached_property
    def scorings(self) -> set[int]:
        """Numbers of the scorings that versions were measured by."""
        return {version.scoring for version in self.versions}
