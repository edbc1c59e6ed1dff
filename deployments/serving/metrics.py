"""Numbers for Prometheus."""

from collections.abc import Callable, Iterator
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from deployments.serving.model import ServedModel

BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Upper limits of the histogram's seconds."""


class Metrics:
    """The numbers of one server, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "nasflow_serve_requests", "Requests that were answered.", ["path", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "nasflow_serve_request_seconds", "From a request's head to the end of its answer.", ["path"],
            buckets=BUCKETS, registry=self._registry,
        )  # fmt: skip
        self._images = Counter("nasflow_serve_images", "Images that were detected on.", registry=self._registry)
        self._queue = Gauge("nasflow_serve_queue_length", "Images that wait.", registry=self._registry)
        self._looks = Counter(
            "nasflow_serve_model_looks", "Looks at which model is to serve.", ["result"], registry=self._registry
        )
        for result in ("same", "loaded", "failed"):
            self._looks.labels(result)  # so that the first failure is an increase

    def answered(self, path: str, status: int, seconds: float) -> None:
        """Count an answer.

        Args:
            path: Path of the request; only known ones, since each makes a series of its own.
            status: Of the answer.
            seconds: How long the request took.
        """
        self._requests.labels(path, status).inc()
        self._seconds.labels(path).observe(seconds)

    def detected(self) -> None:
        """Count an image."""
        self._images.inc()

    def looked(self, result: Literal["same", "loaded", "failed"]) -> None:
        """Count a look at which model is to serve."""
        self._looks.labels(result).inc()

    def watch_model(self, present: Callable[[], ServedModel | None]) -> None:
        """Ask which model serves each time that the numbers are asked for, so that they name the one that answers."""
        self._registry.register(_ModelInfo(present))

    def watch_queue(self, length: Callable[[], int]) -> None:
        """Ask for the length of the queue each time that the numbers are asked for."""
        self._queue.set_function(length)

    def text(self) -> bytes:
        """All numbers, as Prometheus reads them."""
        return generate_latest(self._registry)


class _ModelInfo(Collector):
    def __init__(self, present: Callable[[], ServedModel | None]) -> None:
        self._present = present

    def collect(self) -> Iterator[GaugeMetricFamily]:
        labels = ["model", "project", "version"]
        info = GaugeMetricFamily("nasflow_serve_model_info", "1 for the model that serves.", labels=labels)
        if model := self._present():
            info.add_metric([model.name, model.project or "", str(model.version or "")], 1)
        yield info
