"""Base classes and shared types of the records. Plain data."""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

Split = Literal["train", "valid", "test"]
Variant = Literal["s", "m", "l"]
Augmentation = Literal["none", "light", "standard", "strong"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Fraction = Annotated[float, Field(ge=0, le=1)]
ImageSize = Annotated[int, Field(ge=64, le=2048, multiple_of=32)]
"""Side of the square network input in pixels."""
DEFAULT_IMAGE_SIZE = 640
SPLITS: tuple[Split, ...] = ("train", "valid", "test")

PROJECT_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"


class Part(BaseModel):
    """A frozen part of a record, without an identity of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Record(Part):
    """A frozen document with an identity: the SHA-256 of its canonical JSON."""

    not_identity: ClassVar[frozenset[str]] = frozenset()
    """Fields that do not count for the digest, because they say where something came from, not what it is."""
    later_identity: ClassVar[frozenset[str]] = frozenset()
    """Fields that came when records were stored already: with their default they do not count for the digest, so that
    what was stored without them keeps its own."""

    schema_version: int = Field(default=1, description="Version of this record's layout.")

    @field_validator("schema_version")
    @classmethod
    def _known_layout(cls, value: int) -> int:
        """Refuse a record of another layout, because its fields may mean something else."""
        expected = cls.model_fields["schema_version"].default
        if value != expected:
            raise PydanticCustomError(
                "schema_version",
                "layout version {value}, this version of nasflow reads {expected}",
                {"value": value, "expected": expected},
            )
        return value

    @property
    def digest(self) -> str:
        """SHA-256, in hex, of the record's JSON with sorted keys and without the fields that do not count."""
        fields = type(self).model_fields
        absent = {name for name in self.later_identity if getattr(self, name) == fields[name].default}
        content = self.model_dump(mode="json", exclude={*self.not_identity, *absent})
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()


class StoredFile(Part):
    """A file in the store."""

    key: str = Field(description="Store key, without bucket and prefix.")
    sha256: Sha256 = Field(description="SHA-256 of its bytes.")
    size: int = Field(ge=0, description="Size in bytes.")


def as_line(values: Mapping[str, object]) -> str:
    """Values as one line of JSON."""
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))
