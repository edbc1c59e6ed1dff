"""The metrics, by name, and their values from figures. Names, units and labels follow Prometheus's conventions."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from deployments.monitoring.figures import ServerFigures, StoreFigures
from deployments.monitoring.poller import Status

RUN_KEY_DIGITS = 12

Sample = tuple[Sequence[str], float]
"""Values of the labels, and the value."""
Samples = Mapping[str, Sequence[Sample]]
"""By name of the metric."""


@dataclass(frozen=True)
class MetricKind:
    """A metric."""

    name: str
    """As queries have it; that of a counter ends in ``_total``."""
    help: str
    labels: tuple[str, ...] = ()
    type: Literal["gauge", "counter"] = "gauge"


METRICS = (
    MetricKind("nasflow_up", "Whether the source answered the last look.", ("source",)),
    MetricKind(
        "nasflow_last_success_timestamp_seconds", "When the source answered last, Unix time; 0 for never.", ("source",)
    ),
    MetricKind("nasflow_look_seconds", "How long the last look at the source took.", ("source",)),
    MetricKind(
        "nasflow_left_out",
        "What is not looked at: more of these than the limit, or records that cannot be read.",
        ("what",),
    ),
    MetricKind("nasflow_flow_runs", "Flow runs that the server has, by flow and state.", ("flow", "state")),
    MetricKind(
        "nasflow_training_seconds",
        "For how long train flow runs that the server has ran, over all attempts, by their state now.",
        ("state",),
    ),
    MetricKind(
        "nasflow_training_lost_seconds_total",
        "For how long train flow runs that crashed had run since their newest checkpoint in the store.",
        type="counter",
    ),
    MetricKind("nasflow_waiting_flow_runs", "Flow runs that are due and that no worker has taken.", ("pool", "queue")),
    MetricKind(
        "nasflow_queue_wait_seconds", "For how long the oldest of them has been due; 0 for none.", ("pool", "queue")
    ),
    MetricKind("nasflow_workers_online", "Workers that the server takes to be online.", ("pool",)),
    MetricKind(
        "nasflow_last_backup_timestamp_seconds",
        "When the newest backup that infra/compose/backup.sh made was begun, Unix time.",
    ),
    MetricKind(
        "nasflow_upload_lag_epochs", "Epochs of a running training whose checkpoint is on its worker alone.", ("run",)
    ),
    MetricKind(
        "nasflow_unsaved_seconds",
        "For how long a training has run since its newest checkpoint in the store: what the loss of its worker costs.",
        ("run",),
    ),
    MetricKind("nasflow_champion_version", "Version that is the champion.", ("project",)),
    MetricKind(
        "nasflow_champion_promoted_timestamp_seconds", "When the champion was promoted, Unix time.", ("project",)
    ),
)


def of_statuses(statuses: Mapping[str, Status]) -> Samples:
    """Samples about the sources, by name of the source."""
    return {
        "nasflow_up": [([name], float(status.up)) for name, status in statuses.items()],
        "nasflow_last_success_timestamp_seconds": [
            ([name], status.last_success or 0.0) for name, status in statuses.items()
        ],
        "nasflow_look_seconds": [([name], status.seconds) for name, status in statuses.items()],
    }


def of_server(figures: ServerFigures) -> Samples:
    """Samples from what the server said."""
    queues = [([queue.pool, queue.name], queue) for queue in figures.queues]
    return {
        "nasflow_flow_runs": [(list(labels), float(count)) for labels, count in figures.flow_runs.items()],
        "nasflow_training_seconds": [([state], seconds) for state, seconds in figures.training_seconds.items()],
        "nasflow_waiting_flow_runs": [(labels, float(queue.waiting)) for labels, queue in queues],
        "nasflow_queue_wait_seconds": [(labels, queue.wait_seconds) for labels, queue in queues],
        "nasflow_workers_online": [([pool], float(count)) for pool, count in figures.workers_online.items()],
        "nasflow_last_backup_timestamp_seconds": [([], one.timestamp()) for one in [figures.backup_begun] if one],
        "nasflow_left_out": _left_out(figures.left_out),
    }


def of_store(figures: StoreFigures) -> Samples:
    """Samples from what the store said."""
    trainings = [([one.run_key[:RUN_KEY_DIGITS]], one) for one in figures.trainings]
    champions = [([one.project], one) for one in figures.champions]
    return {
        "nasflow_upload_lag_epochs": [(labels, float(one.lag_epochs)) for labels, one in trainings],
        "nasflow_unsaved_seconds": [(labels, one.unsaved_seconds) for labels, one in trainings],
        "nasflow_champion_version": [(labels, float(one.version)) for labels, one in champions],
        "nasflow_champion_promoted_timestamp_seconds": [
            (labels, one.promoted.timestamp()) for labels, one in champions
        ],
        "nasflow_left_out": _left_out(figures.left_out),
    }


def _left_out(counts: Mapping[str, int]) -> list[Sample]:
    return [([what], float(count)) for what, count in counts.items()]


def families(samples: Iterable[Samples]) -> Iterator[Metric]:
    """All metrics with their samples; one without a sample is there with its help alone."""
    given = list(samples)
    for kind in METRICS:
        family: GaugeMetricFamily | CounterMetricFamily
        if kind.type == "counter":
            family = CounterMetricFamily(kind.name.removesuffix("_total"), kind.help, labels=kind.labels)
        else:
            family = GaugeMetricFamily(kind.name, kind.help, labels=kind.labels)
        for some in given:
            for labels, value in some.get(kind.name, ()):
                family.add_metric(labels, value)
        yield family
