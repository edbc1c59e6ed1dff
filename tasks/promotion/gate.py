"""The gate: whether a candidate becomes the champion. Pure: reports and their comparison in, a decision out.

Each rule is one function from a :class:`Case` to the checks that it makes; a rule that does not apply makes none. To
add a rule, write its function, list it in ``RULES``, and add its limit to ``GatePolicy`` in ``tasks/records/gate.py``.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tasks.errors import IncomparableReports
from tasks.records import Comparison, EvaluationReport, GateCheck, GatePolicy, PromotionDecision


@dataclass(frozen=True)
class Case:
    """What the rules judge.

    Attributes:
        candidate: Report of the candidate.
        champion: Report of the champion; None if there is none, or if it was not measured.
        comparison: Of the two; None if there is nothing to compare, or no image is left to compare on.
        policy: What is asked.
        obstacle: Why the champion cannot be compared with, in a clause; None without a champion, or if it can.
        rollback: How the candidate was rolled back before, in a clause; None if it was not.
    """

    candidate: EvaluationReport
    champion: EvaluationReport | None
    comparison: Comparison | None
    policy: GatePolicy
    obstacle: str | None = None
    rollback: str | None = None

    @property
    def has_other_champion(self) -> bool:
        """Whether the champion was measured, and has other weights than the candidate."""
        return self.champion is not None and self.champion.weights_sha256 != self.candidate.weights_sha256


Rule = Callable[[Case], Iterator[GateCheck]]


# Rules --------------------------------------------------------------------------------------------


def first_model(case: Case) -> Iterator[GateCheck]:
    """A first model has no champion to beat."""
    if case.champion is None and case.obstacle is None:
        text = f"First model: mAP {_figure(case.candidate.scores.map)} on {_images(case)}, no champion to beat."
        yield GateCheck(name="champion", passed=True, text=text)


def comparable(case: Case) -> Iterator[GateCheck]:
    """A champion that cannot be measured keeps its place, unless somebody asks for the promotion."""
    if case.obstacle is not None:
        text = f"It cannot be compared with the champion: {case.obstacle}; --promote-anyway promotes it all the same."
        yield GateCheck(name="champion", passed=None, text=text)


def other_weights(case: Case) -> Iterator[GateCheck]:
    """The champion's own weights do not replace it."""
    if case.champion is not None and not case.has_other_champion:
        text = f"It is the same model as the champion: weights {case.candidate.weights_sha256[:12]}."
        yield GateCheck(name="another model", passed=False, text=text)


def not_rolled_back(case: Case) -> Iterator[GateCheck]:
    """What a person rolled back does not come back by itself, whatever its mAP."""
    if case.rollback is not None:
        text = f"It was the champion before: {case.rollback}; `nasflow models promote` makes it the champion again."
        yield GateCheck(name="not rolled back", passed=False, text=text)


def detects_anything(case: Case) -> Iterator[GateCheck]:
    """A model with an mAP of 0 never replaces a champion."""
    if (case.has_other_champion or case.obstacle is not None) and case.candidate.scores.map <= 0:
        text = f"mAP is 0 on {_images(case)}: the model finds nothing."
        yield GateCheck(name="finds anything", passed=False, text=text)


def new_images(case: Case) -> Iterator[GateCheck]:
    """Without an image that is new to the champion, the gain cannot be measured."""
    if case.has_other_champion and case.comparison is None:
        text = (
            f"The champion was trained on all labelled images of the {case.candidate.split} split, so there is none "
            "to compare on; label new images for it."
        )
        yield GateCheck(name="images", passed=None, text=text)


def min_gain(case: Case) -> Iterator[GateCheck]:
    """Policy ``min_gain`` and ``confidence_level``: the whole interval of the gain in mAP has to be above the limit."""
    if not case.has_other_champion or case.comparison is None:
        return
    comparison, limit = case.comparison, case.policy.min_gain
    low, high = comparison.bounds
    passed = True if low > limit else False if high <= limit else None
    asked = "more than 0" if limit == 0 else f"more than {_figure(limit)}"
    left_out = f", {comparison.left_out} left out that the champion was trained on" if comparison.left_out else ""
    meaning = {
        True: f"surely {asked}, as asked",
        False: f"surely not {asked}, as asked",
        None: f"so it cannot be told whether it is {asked}; more labelled {case.candidate.split} images would",
    }[passed]
    text = (
        f"mAP {_figure(comparison.map.after)} against {_figure(comparison.map.before)} of champion version "
        f"{comparison.champion_version} on the same {_images(case)}{left_out}: {_change(comparison.map.gain)}, "
        f"{comparison.confidence_level * 100:g} % interval {low:+.3f} to {high:+.3f}, {meaning}."
    )
    yield GateCheck(name="gain", passed=passed, text=text)


def min_images(case: Case) -> Iterator[GateCheck]:
    """Policy ``min_images``: with fewer source images to compare on, the gain is not trusted."""
    if not case.has_other_champion or case.comparison is None:
        return
    sources, limit = case.comparison.sources, case.policy.min_images
    if sources < limit:
        text = (
            f"{sources} source images to compare on are fewer than {limit}; label more for the "
            f"{case.candidate.split} split."
        )
        yield GateCheck(name="images", passed=None, text=text)


def min_ap(case: Case) -> Iterator[GateCheck]:
    """Policy ``min_ap``: classes that have to reach an AP, with or without a champion."""
    for name, limit in sorted(case.policy.min_ap.items()):
        score = case.candidate.scores.per_class.get(name)
        ap = score.ap if score else None
        if ap is None:
            why = f"has no labelled box in the {case.candidate.split} split" if score else "is no class of this model"
            yield GateCheck(name=f"AP of {name}", passed=None, text=f"Class {name} {why}, so its AP is not known.")
        else:
            text = f"AP of {name} is {_figure(ap)}, and at least {_figure(limit)} is asked."
            yield GateCheck(name=f"AP of {name}", passed=ap >= limit, text=text)


def max_latency(case: Case) -> Iterator[GateCheck]:
    """Policy ``max_latency_ms``: median time of one image, in milliseconds."""
    speed, limit = case.candidate.speed, case.policy.max_latency_ms
    if limit is not None:
        yield _max_check("latency", speed.latency_ms if speed else None, limit, "ms an image")


def max_file_size(case: Case) -> Iterator[GateCheck]:
    """Policy ``max_file_mb``: size of the weights file, in megabytes."""
    speed, limit = case.candidate.speed, case.policy.max_file_mb
    if limit is not None:
        yield _max_check("file size", speed.file_bytes / 1e6 if speed else None, limit, "MB")


RULES: tuple[Rule, ...] = (
    first_model,
    comparable,
    other_weights,
    not_rolled_back,
    detects_anything,
    new_images,
    min_gain,
    min_images,
    min_ap,
    max_latency,
    max_file_size,
)
"""All rules, in the order of their checks. The first check that failed, or is open, gives the decision its reason."""


# Decision -----------------------------------------------------------------------------------------


def decide(case: Case, override: str | None = None) -> PromotionDecision:
    """Decide whether the candidate becomes the champion, and say why.

    The candidate is promoted if every check passed. One that failed keeps the champion; otherwise one that is open
    means that it cannot be told. A first model is only judged by the rules that need no champion.

    Args:
        case: The reports of candidate and champion, their comparison or what stands in its way, and the policy.
        override: Reason to promote regardless of the checks; None to follow them.

    Returns:
        The decision with all checks that apply.

    Raises:
        IncomparableReports: the two models were measured on different images.
    """
    candidate, champion = case.candidate, case.champion
    if champion is not None and _measured_on(candidate) != _measured_on(champion):
        raise IncomparableReports(
            f"the candidate was measured on the {candidate.split} split of snapshot {candidate.snapshot_digest[:12]}, "
            f"the champion on the {champion.split} split of {champion.snapshot_digest[:12]}; "
            f"measure the champion on snapshot {candidate.snapshot_digest[:12]} first"
        )
    checks = [check for rule in RULES for check in rule(case)]
    failed = [check for check in checks if check.passed is False]
    unknown = [check for check in checks if check.passed is None]
    verdict = "keep" if failed else "cannot tell" if unknown else "promote"
    deciding = (failed or unknown or checks)[0]
    return PromotionDecision.model_validate(
        {
            "promote": verdict == "promote" or override is not None,
            "verdict": verdict,
            "reason": deciding.text if override is None else f"Promoted on request ({override}). {deciding.text}",
            "checks": tuple(checks),
            "overridden": override,
            "candidate_map": candidate.scores.map,
            "champion_map": champion.scores.map if champion else None,
            "champion_version": case.comparison.champion_version if case.comparison else None,
            "policy": case.policy,
        }
    )


def _measured_on(report: EvaluationReport) -> tuple[str, str]:
    return report.snapshot_digest, report.split


# Words --------------------------------------------------------------------------------------------


def _max_check(name: str, value: float | None, limit: float, unit: str) -> GateCheck:
    if value is None:
        return GateCheck(
            name=name, passed=None, text=f"The {name} was not measured, and at most {limit:g} {unit} is asked."
        )
    text = f"The {name} is {value:.1f} {unit}, and at most {limit:g} is asked."
    return GateCheck(name=name, passed=value <= limit, text=text)


def _change(gain: float) -> str:
    if gain == 0:
        return "no gain"
    return f"a gain of {_figure(gain)}" if gain > 0 else f"a loss of {_figure(-gain)}"


def _images(case: Case) -> str:
    count, split = case.candidate.counts.images, case.candidate.split
    return f"{count} {split} image{'' if count == 1 else 's'}"


def _figure(value: float) -> str:
    """Four decimals, without trailing zeros."""
    return f"{value:.4f}".rstrip("0").rstrip(".")
