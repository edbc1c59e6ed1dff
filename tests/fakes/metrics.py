"""``nasflow metrics`` in a process of its own, scraped over HTTP and read by Prometheus's own parser."""

import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from deployments.local_stack import processes
from tests.fakes.waiting import wait_for

NASFLOW = str(Path(sys.executable).with_name("nasflow"))


class Scrape(dict):
    """Values of one scrape by name and labels; ``text`` is all of it."""

    def __init__(self, text):
        self.text = text
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                self[sample.name, *sorted(sample.labels.items())] = sample.value

    def value(self, name, **labels):
        """The value of one series; None if it is not there."""
        return self.get((name, *sorted(labels.items())))

    def series(self, name):
        """Labels and values of all series of a metric."""
        return {key[1:]: value for key, value in self.items() if key[0] == name}


class RunningExporter:
    """The command."""

    def __init__(self, url, log):
        self.url, self.log = url, log

    def scrape(self):
        """What it says now."""
        with urllib.request.urlopen(self.url, timeout=10) as answer:
            return Scrape(answer.read().decode())

    def next(self, *sources):
        """What it says once each of these sources has answered another time from now on."""
        asked = time.time()

        def looked():
            scrape = self.scrape()
            times = [scrape.value("nasflow_last_success_timestamp_seconds", source=one) for one in sources]
            # A look that was under way when this was asked may have seen what was before.
            took = [scrape.value("nasflow_look_seconds", source=one) for one in sources]
            return scrape if all(at - seconds > asked for at, seconds in zip(times, took, strict=True)) else None

        return wait_for(looked, f"a look at {sources}", seconds=120)


@contextmanager
def exporter(folder, environment):
    """Run the command on a free port, with a look every second."""
    port, log = processes.free_port(), folder / "metrics.log"
    command = [NASFLOW, "metrics", "--port", str(port), "--every", "1"]
    process = processes.start(command, log, environment)
    running = RunningExporter(f"http://127.0.0.1:{port}/metrics", log)
    try:
        wait_for(lambda: _answers(running, process, log), "the exporter", seconds=120)
        yield running
    finally:
        processes.stop(process, 10)


def _answers(running, process, log):
    assert process.poll() is None, log.read_text()
    try:
        return running.scrape()
    except OSError:
        return None
