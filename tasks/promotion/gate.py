"""Decide whether a candidate replaces the champion. Pure: two reports in, a decision out."""

from tasks.errors import IncomparableReports
from tasks.records import EvaluationReport, PromotionDecision

_DECIMALS = 6
"""Gains are compared to a millionth, so that 0.51 - 0.50 is a gain of 0.01 in floating point too."""


def decide(
    candidate: EvaluationReport,
    champion: EvaluationReport | None,
    champion_version: int | None,
    min_gain: float,
) -> PromotionDecision:
    """Say whether ``candidate`` should become the champion, and why.

    Args:
        candidate: Report of the new weights.
        champion: Report of the champion's weights on the same pictures; None if there is no champion yet.
        champion_version: Version that was compared; None if there is no champion yet.
        min_gain: Smallest rise of mAP that promotes, a fraction; no rise at all never promotes.

    Raises:
        IncomparableReports: the two were measured on different pictures.
    """
    if champion is not None:
        _check_comparable(candidate, champion, champion_version)
    promote, reason = _judge(candidate, champion, champion_version, min_gain)
    return PromotionDecision(
        promote=promote,
        reason=reason,
        candidate_map=candidate.scores.map,
        champion_map=champion.scores.map if champion else None,
        champion_version=champion_version,
    )


def _check_comparable(candidate: EvaluationReport, champion: EvaluationReport, version: int | None) -> None:
    if (candidate.snapshot_digest, candidate.split) != (champion.snapshot_digest, champion.split):
        raise IncomparableReports(
            f"the candidate was measured on the {candidate.split} split of snapshot {candidate.snapshot_digest[:12]}, "
            f"champion version {version} on the {champion.split} split of {champion.snapshot_digest[:12]}; "
            f"measure version {version} on snapshot {candidate.snapshot_digest[:12]} first"
        )


def _judge(
    candidate: EvaluationReport, champion: EvaluationReport | None, version: int | None, min_gain: float
) -> tuple[bool, str]:
    pictures = f"{candidate.counts.images} {candidate.split} pictures"
    if champion is None:
        return True, f"First model: mAP {_figure(candidate.scores.map)} on {pictures}, no champion to compare with."
    if candidate.scores.map <= 0:
        return False, f"mAP is 0 on {pictures}: the model finds nothing, so it is not promoted."
    if candidate.weights_sha256 == champion.weights_sha256:
        return False, f"It is the same model as champion version {version}: weights {candidate.weights_sha256[:12]}."
    gain = round(candidate.scores.map - champion.scores.map, _DECIMALS)
    change = f"a gain of {_figure(gain)}" if gain > 0 else f"a loss of {_figure(-gain)}" if gain < 0 else "no gain"
    needed = f"at least {_figure(min_gain)}" if min_gain > 0 else "more than 0"
    return gain > 0 and gain >= round(min_gain, _DECIMALS), (
        f"mAP {_figure(candidate.scores.map)} against {_figure(champion.scores.map)} of champion version {version} "
        f"on the same {pictures}: {change} where {needed} is asked."
    )


def _figure(value: float) -> str:
    """As many decimals as are compared, without trailing zeros."""
    return f"{value:.{_DECIMALS}f}".rstrip("0").rstrip(".")
