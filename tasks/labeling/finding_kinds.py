"""All kinds of findings about labels, by code."""

from tasks.labeling.error_kinds import ERRORS
from tasks.labeling.finding_kind import FindingKind
from tasks.labeling.note_kinds import NOTES

FINDING_KINDS: dict[str, FindingKind] = {**ERRORS, **NOTES}
"""By code, errors first."""
