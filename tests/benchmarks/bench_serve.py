"""Images per second and latency of ``nasflow serve``, beside the bare network.

Run it with ``python -m tests.benchmarks.bench_serve [--images N] [--rounds N]``. A YOLO-NAS s of 640 pixels on JPEGs of
640 x 480. In each round first the bare network, in as many threads as the server has: decoded images in memory, no
HTTP. Then a server process, asked by 1, 4 and 16 clients at once, each of which sends its next image when it has the
answer. What counts is the ratio within a round.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx

from tasks.detection.preprocess import decode, network_input
from tasks.detection.runtimes import load
from tests.benchmarks.bench_detect import Bench
from tests.benchmarks.peers import contestants

CLIENTS = (1, 4, 16)
MIN_OF_BARE = 0.85
"""Target: share of the bare network's images per second that 16 clients get."""
WARM_UP = 8


def main() -> None:
    """Measure, print, and exit with 1 if the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(contestants.machine(), flush=True)
    shares = []
    with tempfile.TemporaryDirectory(prefix="bench-serve-") as name:
        folder = Path(name)
        contestants.measure(Bench(folder), "tests.benchmarks.peers.detectors", "prepare", folder, 16)
        images = [path.read_bytes() for path in sorted((folder / "images").iterdir())]
        for number in range(1, options.rounds + 1):
            bare = _bare(folder, options.images)
            print(f"round {number}: bare network {bare:6.2f} images/s", flush=True)
            with _server(folder) as url:
                for clients in CLIENTS:
                    per_second, seconds = _ask(url, images, options.images, clients)
                    p50, p99 = statistics.median(seconds), statistics.quantiles(seconds, n=100)[98]
                    print(f"  {clients:2} clients {per_second:6.2f} images/s, {per_second / bare:4.2f} of it; "
                          f"p50 {1000 * p50:5.0f} ms, p99 {1000 * p99:5.0f} ms", flush=True)  # fmt: skip
            shares.append(per_second / bare)
    share = statistics.median(shares)
    print(f"median of the rounds: 16 clients get {share:.2f} of the bare network (target {MIN_OF_BARE:g})")
    sys.exit(share < MIN_OF_BARE)


def _bare(folder: Path, count: int) -> float:
    """Images per second of the network on pixels in memory."""
    runtime = load(folder / "model.onnx")
    size, inputs = runtime.model.size, []
    for path in sorted((folder / "images").iterdir()):
        image = decode(path.read_bytes(), size)
        inputs.append(network_input(image.pixels, image.width, image.height, size))
    with ThreadPoolExecutor(runtime.parallel) as pool:

        def compute(some: int) -> None:
            list(pool.map(lambda index: runtime.network(inputs[index % len(inputs)]), range(some)))

        compute(WARM_UP)
        start = time.monotonic()
        compute(count)
        return count / (time.monotonic() - start)


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    """A server process, ready to answer; gives its address."""
    nasflow = str(Path(sys.executable).with_name("nasflow"))
    command = [nasflow, "serve", str(folder / "model.onnx"), "--port", "0", "--json"]
    variables = {name: value for name, value in os.environ.items() if not name.startswith("NASFLOW_")}
    with (
        (folder / "server.log").open("w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=variables) as process,
    ):
        try:
            lines = []
            for line in process.stdout or ():
                lines.append(line)
                if line == "}\n":
                    break
            yield json.loads("".join(lines))["url"]
        finally:
            process.terminate()


def _ask(url: str, images: list[bytes], count: int, clients: int) -> tuple[float, list[float]]:
    """Images per second, and the seconds of each request."""
    local, seconds = threading.local(), []

    def ask(index: int) -> None:
        if not hasattr(local, "client"):
            local.client = httpx.Client(base_url=url, timeout=600, trust_env=False)
        began = time.monotonic()
        answer = local.client.post("/detect", content=images[index % len(images)])
        answer.raise_for_status()
        seconds.append(time.monotonic() - began)

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(ask, range(WARM_UP)))
        seconds.clear()
        start = time.monotonic()
        list(pool.map(ask, range(count)))
        return count / (time.monotonic() - start), seconds


if __name__ == "__main__":
    main()
