"""Counting findings while an export is checked. What kinds there are is in ``finding_kinds``."""

from tasks.labeling.finding_kinds import FINDING_KINDS
from tasks.records import Finding

MAX_EXAMPLES = 5


class FindingCounter:
    """Counts findings by code, and keeps the first few examples of each."""

    def __init__(self) -> None:
        self.label_lines = 0
        """Rows and objects read from label files, including those that are not boxes."""
        self._counts: dict[str, int] = {}
        self._examples: dict[str, list[str]] = {}

    def add(self, code: str, example: str | None = None, *, count: int = 1) -> None:
        """Count a finding.

        Args:
            code: A key of FINDING_KINDS.
            example: Where it occurs; kept if it is among the first MAX_EXAMPLES of its code.
            count: Number of occurrences.
        """
        self._counts[code] = self._counts.get(code, 0) + count
        examples = self._examples.setdefault(code, [])
        if example is not None and len(examples) < MAX_EXAMPLES:
            examples.append(example)

    def count(self, code: str) -> int:
        """Number of occurrences of ``code`` so far."""
        return self._counts.get(code, 0)

    @property
    def has_errors(self) -> bool:
        """Whether any finding so far is an error."""
        return any(FINDING_KINDS[code].severity == "error" for code in self._counts)

    def summary(self) -> tuple[Finding, ...]:
        """All findings so far as records, in the order of FINDING_KINDS: errors first."""
        return tuple(
            Finding(
                code=code,
                severity=kind.severity,
                count=self._counts[code],
                message=kind.message.format(count=self._counts[code], limit=kind.limit),
                examples=tuple(self._examples[code]),
            )
            for code, kind in FINDING_KINDS.items()
            if code in self._counts
        )
