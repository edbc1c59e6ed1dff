"""Why an image was chosen, in words. Pure."""

from tasks.records import Candidate
from tasks.suggestion.measures import ModelFacts, max_rarity, max_uncertainty
from tasks.suggestion.nearest import ALL_BITS

NEAR = 0.5
"""Value from which on uncertainty and rarity are reasons."""


def reasons_for(candidate: Candidate, facts: ModelFacts, bits: int | None) -> tuple[str, ...]:
    """The measures that speak for an image.

    Args:
        candidate: The image.
        facts: What is known of the model.
        bits: Bits in which it differs from the nearest image; None if there is none to compare it with.

    Returns:
        Phrases, at least one.
    """
    reasons = []
    detected = candidate.detected(facts.threshold)
    uncertainty, box = max_uncertainty(candidate.objects, facts.threshold)
    if box and uncertainty >= NEAR:
        side = "above" if box.score >= facts.threshold else "below"
        alone = "" if detected else ", and no box is above it"
        reasons.append(
            f"uncertain: {box.class_name} at {box.score:.2f}, just {side} the threshold {facts.threshold:g}{alone}"
        )
    rarity, name = max_rarity(detected, facts.boxes)
    if name and facts.boxes and rarity >= NEAR:
        reasons.append(
            f"rare class: {name} has {facts.boxes.get(name, 0)} labelled boxes, "
            f"the most frequent class {max(facts.boxes.values())}"
        )
    if bits is not None:
        reasons.append(f"unlike: {bits} of {ALL_BITS} bits from the nearest image")
    return tuple(reasons) or ("nothing speaks for it but room in the budget",)
