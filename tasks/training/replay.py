"""What may explain that a version that is trained again gets other weights, and the outcome in words. Pure."""

import json

from tasks.records import ReplayDifference, ReplayOutcome, TrainingResult
from tasks.rendering.markdown import as_cell, as_text

REPLAY = "replay-outcome"
"""Key of the artifact from which programs read the outcome of a replay."""

FIELDS = {"machine": "machine", "device": "device", "devices": "devices", "micro_batch": "images at a time"}
"""Fields of a result that may decide the last bits of the weights, and their names for people."""


def recipe_differs(recipe: int, present: int) -> str | None:
    """What to expect of a replay, before it trains.

    Args:
        recipe: Recipe of the version.
        present: Recipe that this nasflow trains by.

    Returns:
        The sentence; None if both are the same.
    """
    if recipe == present:
        return None
    return (
        f"it was trained by recipe {recipe}, and this nasflow trains by recipe {present}, so other weights are "
        "expected; the nasflow that trained it gives the same ones"
    )


def find_differences(
    before: TrainingResult | None, now: TrainingResult, recipe: int, present: int
) -> tuple[ReplayDifference, ...] | None:
    """Compare what a version and its replay were trained with.

    Args:
        before: The run of the version; None if it tells nothing about the version.
        now: The replay.
        recipe: Recipe of the version.
        present: Recipe of the replay.

    Returns:
        What differs, the recipe first, then packages; None if nothing is known, as of old runs.
    """
    recipes = (ReplayDifference(name="recipe", before=str(recipe), now=str(present)),) if recipe != present else ()
    recorded = _recorded_differences(before, now) if before else None
    return recipes or None if recorded is None else (*recipes, *recorded)


def _recorded_differences(before: TrainingResult, now: TrainingResult) -> tuple[ReplayDifference, ...] | None:
    if not before.versions:
        return None
    names = sorted({*before.versions, *now.versions})
    pairs = {name: (before.versions.get(name), now.versions.get(name)) for name in names}
    pairs |= {title: (_text(getattr(before, name)), _text(getattr(now, name))) for name, title in FIELDS.items()}
    return tuple(
        ReplayDifference(name=name, before=then, now=later) for name, (then, later) in pairs.items() if then != later
    )


def in_words(outcome: ReplayOutcome) -> str:
    """The outcome in sentences."""
    name = f"{outcome.project} version {outcome.version}"
    if outcome.equal:
        return f"{name} trained again has the same weights to the bit."
    scores = f"mAP on the valid split: {_number(outcome.valid_map)} before, {outcome.replayed_map:.3f} now."
    return f"{name} trained again has other weights. {scores} {_explanation(outcome.differences)}"


def replay_row(outcome: ReplayOutcome) -> dict[str, str | float | bool | None]:
    """The outcome in one row; what differs is JSON in it, since a cell of Prefect's table holds text."""
    row = outcome.model_dump(mode="json", exclude={"schema_version", "differences"})
    differences = None if outcome.differences is None else [one.model_dump() for one in outcome.differences]
    return {"equal": outcome.equal, "sentence": in_words(outcome), **row, "differences": json.dumps(differences)}


def replay_markdown(outcome: ReplayOutcome) -> str:
    """The outcome for people: the sentences, what differs, and both digests.

    Args:
        outcome: The outcome.

    Returns:
        Markdown; all names in it are escaped.
    """
    rows = "\n".join(
        f"| {as_cell(one.name)} | {as_cell(one.before or '')} | {as_cell(one.now or '')} |"
        for one in outcome.differences or ()
    )
    table = f"\n\n| what differs | before | now |\n|---|---|---|\n{rows}" if rows else ""
    return f"""# {outcome.project} version {outcome.version}, trained again

{as_text(in_words(outcome))}{table}

| | SHA-256 of the weights |
|---|---|
| version {outcome.version} | `{outcome.weights_sha256}` |
| trained again | `{outcome.replayed_sha256}` |
"""


def _explanation(differences: tuple[ReplayDifference, ...] | None) -> str:
    if differences is None:
        return "What the version was trained with is not known."
    if not differences:
        return (
            "Versions and machine are the same, so a computation that is not deterministic may be the reason, as some "
            "on GPUs are."
        )
    listed = ", ".join(f"{one.name} ({one.before or 'none'} before, {one.now or 'none'} now)" for one in differences)
    return f"What differs, and may explain it: {listed}."


def _number(value: float | None) -> str:
    return "not known" if value is None else f"{value:.3f}"


def _text(value: object) -> str | None:
    return None if value in (None, "") else str(value)
