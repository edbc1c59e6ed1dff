"""``nasflow check --explain``: what the findings of a check mean."""

from difflib import get_close_matches
from typing import Any

from tasks.errors import BadRequest
from tasks.labeling.explanations.every import EXPLANATIONS
from tasks.labeling.finding_kinds import FINDING_KINDS

ALL = "list"
"""Asks for all codes instead of one."""


def explain(code: str) -> dict[str, Any]:
    """Explain a finding, or list all.

    Args:
        code: A key of FINDING_KINDS, or ``list``.

    Returns:
        Severity, what was seen, why it matters, what to do and an example; for ``list``: code, severity and title of
        each finding. ``N`` stands for the count.

    Raises:
        BadRequest: there is no such finding; the message names the nearest.
    """
    if code == ALL:
        findings = [
            {"code": code, "severity": kind.severity, "title": EXPLANATIONS[code].title}
            for code, kind in FINDING_KINDS.items()
        ]
        return {"ok": True, "findings": findings}
    if code not in FINDING_KINDS:
        nearest = ", ".join(get_close_matches(code.lower(), FINDING_KINDS, cutoff=0))
        raise BadRequest(
            f"--explain {code}: there is no such finding; the nearest are {nearest}; --explain {ALL} has them all"
        )
    kind, explanation = FINDING_KINDS[code], EXPLANATIONS[code]
    seen = kind.message.format(count="N", limit=kind.limit)
    return {"ok": True, "code": code, "severity": kind.severity, "seen": seen, **explanation._asdict()}
