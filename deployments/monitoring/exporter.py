"""``nasflow metrics``: an HTTP server for Prometheus, in the foreground."""

import logging
import threading
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from deployments.monitoring.families import families, of_server, of_statuses, of_store
from deployments.monitoring.figures import ServerFigures, StoreFigures
from deployments.monitoring.poller import Poller
from deployments.monitoring.server_look import ServerLook
from deployments.monitoring.store_look import StoreLook
from deployments.remote.server import server_url
from deployments.terminal.console import document, say
from tasks.errors import BadRequest
from tasks.storage.s3 import Store


class Exporter(Collector):
    """What is known of the server and the store, for a registry. A scrape asks neither.

    Args:
        store: The store.
        every: Seconds between two looks at each.
    """

    def __init__(self, store: Store, every: float) -> None:
        self._server: Poller[ServerFigures] = Poller("the Prefect server", ServerLook(), every)
        self._look_at_store = StoreLook(store, self._server.fresh)
        self._store: Poller[StoreFigures] = Poller("the store", self._look_at_store, every)

    def start(self) -> None:
        """Look from now on."""
        self._server.start()
        self._store.start()

    def stop(self) -> None:
        """Take no further look."""
        self._server.stop()
        self._store.stop()

    def collect(self) -> Iterator[Metric]:
        """The metrics; those of a source that does not answer have no samples."""
        server, store = self._server.fresh(), self._store.fresh()
        samples = [
            of_statuses({"server": self._server.status(), "store": self._store.status()}),
            {"nasflow_training_lost_seconds_total": [((), self._look_at_store.lost_seconds)]},
        ]
        if server is not None:
            samples.append(of_server(server))
        if store is not None:
            samples.append(of_store(store))
        return families(samples)


def serve_metrics(host: str, port: int, every: float, *, as_json: bool) -> None:
    """Serve metrics until Ctrl-C or SIGTERM. A server or a store that does not answer is told by the metrics.

    Args:
        host: Address to listen on.
        port: Port to listen on; 0 for one that is free.
        every: Seconds between two looks at the server and the store.
        as_json: Whether the address is printed as one JSON document on stdout.

    Raises:
        BadSettings: the settings name no server or no store.
        BadRequest: the address cannot be listened on.
    """
    server_url()
    exporter = Exporter(Store.from_environment(), every)
    registry = CollectorRegistry()
    registry.register(exporter)
    ProcessCollector(registry=registry)
    try:
        server, _ = start_http_server(port, host, registry)
    except OSError as error:
        where = f"--host {host} --port {port}"
        raise BadRequest(f"{where}: {error.strerror or error}; give an address of this machine that is free") from None
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    logging.getLogger("deployments").setLevel(logging.INFO)
    exporter.start()
    url = f"http://{f'[{host}]' if ':' in host else host}:{server.server_port}/metrics"
    if as_json:
        document({"ok": True, "url": url})
    say(f"metrics are on {url}; Ctrl-C ends it")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        say("stopped")
    finally:
        exporter.stop()
        server.shutdown()
