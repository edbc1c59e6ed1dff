"""The choice under a budget: again and again the best image, as seen after those before it. Pure and deterministic."""

from collections.abc import Sequence

import numpy as np

from tasks.records import Candidate, Choice, LeftOutImage, SeenImage, Suggestion
from tasks.suggestion.measures import ModelFacts, max_rarity, max_uncertainty
from tasks.suggestion.nearest import Known, Nearest
from tasks.suggestion.reasons import reasons_for


def choose(candidates: Sequence[Candidate], seen: Sequence[SeenImage], facts: ModelFacts, budget: int) -> Choice:
    """Choose what to label next.

    An image with the same bytes as one that was seen or comes before it, and a near duplicate of one that was seen or
    chosen, is left out. Of equally good images the first by name is chosen.

    Args:
        candidates: The images, in any order.
        seen: Images that nobody has to label again.
        facts: What is known of the model.
        budget: Number of images to choose.

    Returns:
        The chosen images, in the order in which they were chosen, and all others by name.
    """
    remaining, left_out = _without_equal(sorted(candidates, key=lambda one: (one.image, one.position)), seen)
    nearest = Nearest([one.difference_hash for one in remaining])
    for image in seen:
        nearest.add(Known(image.image, image.seen), image.difference_hash)
    fixed = np.array([_uncertainty(one, facts) + _rarity(one, facts) for one in remaining])
    suggestions: dict[int, Suggestion] = {}
    while True:
        duplicates = nearest.duplicates()
        unlikeness = nearest.unlikeness()
        scores = fixed + unlikeness
        scores[[*duplicates, *suggestions]] = -1
        if len(suggestions) == budget or not (scores >= 0).any():
            break
        best = int(scores.argmax())
        suggestions[best] = _suggestion(remaining[best], facts, float(unlikeness[best]), nearest.bits(best))
        nearest.add(Known(remaining[best].image, "twice"), remaining[best].difference_hash)
    for index, one in enumerate(remaining):
        if index not in suggestions:
            left_out.append(_left_out(one, duplicates.get(index, Known("", "beyond the budget"))))
    return Choice(suggestions=tuple(suggestions.values()), left_out=tuple(sorted(left_out, key=lambda one: one.image)))


def _without_equal(
    candidates: Sequence[Candidate], seen: Sequence[SeenImage]
) -> tuple[list[Candidate], list[LeftOutImage]]:
    """Candidates whose bytes were not seen, each once; and the others."""
    known = {image.sha256: Known(image.image, image.seen) for image in seen}
    remaining, left_out = [], []
    for one in candidates:
        if one.sha256 in known:
            left_out.append(_left_out(one, known[one.sha256]))
        else:
            remaining.append(one)
            known[one.sha256] = Known(one.image, "twice")
    return remaining, left_out


def _left_out(candidate: Candidate, known: Known) -> LeftOutImage:
    return LeftOutImage(image=candidate.image, reason=known.reason, like=known.image)


def _uncertainty(candidate: Candidate, facts: ModelFacts) -> float:
    return max_uncertainty(candidate.objects, facts.threshold)[0]


def _rarity(candidate: Candidate, facts: ModelFacts) -> float:
    return max_rarity(candidate.detected(facts.threshold), facts.boxes)[0]


def _suggestion(candidate: Candidate, facts: ModelFacts, unlikeness: float, bits: int | None) -> Suggestion:
    uncertainty, rarity = _uncertainty(candidate, facts), _rarity(candidate, facts)
    return Suggestion(
        candidate=candidate, score=round((uncertainty + unlikeness + rarity) / 3, 4),
        uncertainty=round(uncertainty, 4), unlikeness=round(unlikeness, 4), rarity=round(rarity, 4),
        reasons=reasons_for(candidate, facts, bits),
    )  # fmt: skip
