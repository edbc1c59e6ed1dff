"""The number of how scores are computed."""

from tasks.errors import BadSpec
from tasks.records import EvaluateJob

SCORING = 1
"""Number of all between the weights of a model and its scores: the code, and the libraries that it calls.

Raise it by one with each change after which the same weights on the same images get other scores, thresholds, intervals
or mistakes by more than rounding: decoding, scaling, selection of boxes, matching, thresholds, bootstrap, comparison.
What changes mAP also decides which epoch is the best one, and needs another ``RECIPE`` in ``tasks/training/spec.py``.
``docs/evaluation.md`` lists what changed with each number. ``tests/integration/test_numbers.py`` sees most changes.
"""


def require_present_scoring(job: EvaluateJob) -> None:
    """Refuse to measure what another nasflow asked for: its scores would have the number of another scoring.

    Raises:
        BadSpec: the job has the number of another scoring.
    """
    if job.scoring != SCORING:
        raise BadSpec(
            f"run {job.run_key[:12]}: scores by scoring {job.scoring} were asked for, and this nasflow has scoring "
            f"{SCORING}; install the same nasflow everywhere, then ask for the run again"
        )
