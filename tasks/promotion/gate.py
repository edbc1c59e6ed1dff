"""Decide whether a candidate replaces the champion. Pure: reports and their comparison in, a decision out."""

from collections.abc import Iterator

from tasks.errors import IncomparableReports
from tasks.records import Comparison, EvaluationReport, GateCheck, GatePolicy, PromotionDecision


def decide(
    candidate: EvaluationReport,
    champion: EvaluationReport | None,
    comparison: Comparison | None,
    policy: GatePolicy,
    anyway: str | None = None,
) -> PromotionDecision:
    """Say whether ``candidate`` should become the champion, and why.

    Promote needs every check passed; one that failed keeps the champion, and else one that is open cannot tell. The
    first model has no champion to beat, and needs only what the policy asks of every model.

    Args:
        candidate: Report of the new weights.
        champion: Report of the champion's weights on the same images; None if there is no champion yet.
        comparison: Of the two; None without a champion, or if no image is left to compare on.
        policy: What is asked.
        anyway: Why it is promoted whatever the checks say; None for what they say.

    Raises:
        IncomparableReports: the two were measured on different images.
    """
    if champion is not None and _place(candidate) != _place(champion):
        raise IncomparableReports(
            f"the candidate was measured on the {candidate.split} split of snapshot {candidate.snapshot_digest[:12]}, "
            f"the champion on the {champion.split} split of {champion.snapshot_digest[:12]}; "
            f"measure the champion on snapshot {candidate.snapshot_digest[:12]} first"
        )
    checks = (*_against(candidate, champion, comparison, policy), *_alone(candidate, policy))
    failed = [check for check in checks if check.passed is False]
    unknown = [check for check in checks if check.passed is None]
    verdict = "keep" if failed else "cannot tell" if unknown else "promote"
    deciding = (failed or unknown or list(checks))[0]
    return PromotionDecision.model_validate(
        {
            "promote": verdict == "promote" or anyway is not None,
            "verdict": verdict,
            "reason": deciding.text if anyway is None else f"Promoted on request ({anyway}). {deciding.text}",
            "checks": checks,
            "overridden": anyway,
            "candidate_map": candidate.scores.map,
            "champion_map": champion.scores.map if champion else None,
            "champion_version": comparison.champion_version if comparison else None,
            "policy": policy,
        }
    )


def _place(report: EvaluationReport) -> tuple[str, str]:
    return report.snapshot_digest, report.split


def _against(
    candidate: EvaluationReport, champion: EvaluationReport | None, comparison: Comparison | None, policy: GatePolicy
) -> Iterator[GateCheck]:
    """What is asked beside a champion."""
    if champion is None:
        text = f"First model: mAP {_figure(candidate.scores.map)} on {_images(candidate)}, no champion to beat."
        yield GateCheck(name="champion", passed=True, text=text)
        return
    if candidate.weights_sha256 == champion.weights_sha256:
        text = f"It is the same model as the champion: weights {candidate.weights_sha256[:12]}."
        yield GateCheck(name="another model", passed=False, text=text)
        return
    if candidate.scores.map <= 0:
        text = f"mAP is 0 on {_images(candidate)}: the model finds nothing."
        yield GateCheck(name="finds anything", passed=False, text=text)
    if comparison is None:
        text = (
            f"The champion was trained on all labelled images of the {candidate.split} split, so there is none to "
            "compare on; label new images for it."
        )
        yield GateCheck(name="images", passed=None, text=text)
        return
    yield _gain(candidate, comparison, policy)
    if comparison.sources < policy.min_images:
        text = (
            f"{comparison.sources} source images to compare on are fewer than {policy.min_images}; label more for "
            f"the {candidate.split} split."
        )
        yield GateCheck(name="images", passed=None, text=text)


def _gain(candidate: EvaluationReport, comparison: Comparison, policy: GatePolicy) -> GateCheck:
    """The gain in mAP: above what is asked with all of its interval, below with all of it, or neither."""
    low, high = comparison.bounds
    passed = True if low > policy.min_gain else False if high <= policy.min_gain else None
    gain = comparison.map.gain
    change = f"a gain of {_figure(gain)}" if gain > 0 else f"a loss of {_figure(-gain)}" if gain < 0 else "no gain"
    asked = "more than 0" if policy.min_gain == 0 else f"more than {_figure(policy.min_gain)}"
    left_out = f", {comparison.left_out} left out that the champion was trained on" if comparison.left_out else ""
    meaning = {
        True: f"surely {asked}, as asked",
        False: f"surely not {asked}, as asked",
        None: f"so it cannot be told whether it is {asked}; more labelled {candidate.split} images would",
    }[passed]
    text = (
        f"mAP {_figure(comparison.map.after)} against {_figure(comparison.map.before)} of champion version "
        f"{comparison.champion_version} on the same {_images(candidate)}{left_out}: {change}, "
        f"{comparison.confidence_level * 100:g} % interval {low:+.3f} to {high:+.3f}, {meaning}."
    )
    return GateCheck(name="gain", passed=passed, text=text)


def _alone(candidate: EvaluationReport, policy: GatePolicy) -> Iterator[GateCheck]:
    """What is asked of every model."""
    for name, least in sorted(policy.min_ap.items()):
        score = candidate.scores.per_class.get(name)
        ap = score.ap if score else None
        if ap is None:
            why = f"has no labelled box in the {candidate.split} split" if score else "is no class of this model"
            yield GateCheck(name=f"AP of {name}", passed=None, text=f"Class {name} {why}, so its AP is not known.")
        else:
            text = f"AP of {name} is {_figure(ap)}, and at least {_figure(least)} is asked."
            yield GateCheck(name=f"AP of {name}", passed=ap >= least, text=text)
    speed = candidate.speed
    if policy.max_latency_ms is not None:
        yield _limit("latency", speed.latency_ms if speed else None, policy.max_latency_ms, "ms an image")
    if policy.max_file_mb is not None:
        yield _limit("file size", speed.file_bytes / 1e6 if speed else None, policy.max_file_mb, "MB")


def _limit(name: str, value: float | None, most: float, unit: str) -> GateCheck:
    if value is None:
        return GateCheck(
            name=name, passed=None, text=f"The {name} was not measured, and at most {most:g} {unit} is asked."
        )
    text = f"The {name} is {value:.1f} {unit}, and at most {most:g} is asked."
    return GateCheck(name=name, passed=value <= most, text=text)


def _images(report: EvaluationReport) -> str:
    count = report.counts.images
    return f"{count} {report.split} image{'' if count == 1 else 's'}"


def _figure(value: float) -> str:
    """Four decimals, without trailing zeros."""
    return f"{value:.4f}".rstrip("0").rstrip(".")
