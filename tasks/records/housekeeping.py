"""Housekeeping: what is asked for, and what was found or removed. Plain data."""

from datetime import datetime

from pydantic import Field

from tasks.records.base import Part, Record


class CleanJob(Record):
    """Parameter of the clean deployment."""

    older_than_days: float = Field(
        default=30, ge=1, description="Days that everything is kept, whether or not something refers to it."
    )
    remove: bool = Field(default=False, description="Whether to remove what is found; else it is only counted.")


class Amount(Part):
    """Objects of one kind."""

    objects: int = Field(ge=0, description="Number of objects.")
    size: int = Field(ge=0, description="Their size in bytes.")
    oldest: datetime | None = Field(default=None, description="When the oldest was written; empty without objects.")


class CleanReport(Record):
    """What housekeeping found."""

    older_than_days: float = Field(description="Days that everything is kept.")
    removed: bool = Field(description="Whether it was removed; else it was only counted.")
    kinds: dict[str, Amount] = Field(description="What nothing needs any more, by kind.")
    total: Amount = Field(description="All of it.")
    unfinished: Amount = Field(description="Old runs that are kept, because they are not finished and can go on.")
    left: int = Field(default=0, ge=0, description="Runs that were left, because somebody began to use them meanwhile.")
