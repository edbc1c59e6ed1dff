"""Which of two published models is better."""

from prefect import flow

from tasks.evaluation.task import evaluate_on_worker, show_comparison
from tasks.promotion.versions_task import compare_versions, find_run_of, find_versions
from tasks.records import CompareRequest, Comparison


@flow(name="compare", persist_result=False)
def compare(request: CompareRequest) -> Comparison:
    """Measure two versions of a project on the labels of the second, and say whether that one is better.

    Nothing is published, judged or promoted. Finished evaluations are used again.
    """
    baseline, version, snapshot = find_versions(request)
    goal = version.scores.threshold_for
    before = evaluate_on_worker(find_run_of(baseline, snapshot), snapshot, goal)
    model = find_run_of(version, snapshot)
    after = evaluate_on_worker(model, snapshot, goal)
    return show_comparison(version, model, after, compare_versions(after, before, baseline))
