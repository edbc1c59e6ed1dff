"""Snapshots in a real store: what a new version, an unchanged one and a changed one cost in time and in bytes.

Run it with ``python -m tests.benchmarks.bench_snapshots [--images N] [--rounds N] [--kilobytes MIN MAX]``.
SeaweedFS on this machine, files of 10 to 100 kB, as JPEGs of 640 pixels have, with random bytes (saving moves files, it
does not decode them), four boxes each. A first version is saved, then in turn the same one again and one in which a
twentieth of the images are others, with nothing between us and the server. After that a relay in between counts bytes
by the headers of the requests: what really went to the server.

- again: seconds of saving an unchanged version, for 10,000 images, and bytes of images sent;
- changed: bytes sent when a twentieth of the images are others, with manifest and request headers, as a fraction of
  all images' bytes (smaller images make the manifest a larger fraction);
- fetch: the changed version onto a worker that already has its images: no bytes of images received.
"""

import argparse
import hashlib
import random
import socket
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

from deployments.local_stack.seaweed import Seaweed
from tasks.records import Box, DatasetSnapshot, LabelledImage, LabelSource
from tasks.settings import StoreSettings
from tasks.storage import keys
from tasks.storage.blob_cache import BlobCache
from tasks.storage.datasets import fetch_dataset, save_snapshot
from tasks.storage.s3 import Store
from tests.benchmarks.peers import contestants

CHANGED = 0.05
MAX_SECONDS = 2.0
"""For saving 10,000 unchanged images again."""
MAX_FRACTION = 0.06

Images = list[tuple[LabelledImage, Path]]
Version = tuple[DatasetSnapshot, dict[str, Path]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kilobytes", type=int, nargs=2, default=[10, 100], help="size of an image; default 10 100")
    options = parser.parse_args()
    print(f"{contestants.machine()}, {options.images} images, {options.rounds} rounds, medians")
    with tempfile.TemporaryDirectory(prefix="bench-snapshots-") as name:
        folder = Path(name)
        spare = max(1, round(options.images * CHANGED))
        images = write_images(folder / "images", options.images + spare * (options.rounds + 1), *options.kilobytes)
        versions = [version_of(images[spare * at :][: options.images]) for at in range(options.rounds + 2)]
        with Seaweed(folder / "seaweed", bucket="bench") as server:
            times = time_steps(server.settings(), versions[:-1], folder)
            bytes_moved = count_bytes(server.settings(), versions[-2], versions[-1], folder)
    show(times, bytes_moved, versions[-1][0])


def write_images(folder: Path, count: int, min_kilobytes: int, max_kilobytes: int) -> Images:
    """Write files of random sizes in this range, the same ones every time, and what a snapshot says of each."""
    rng = random.Random(1)
    folder.mkdir()
    boxes = tuple(Box(at % 2, 20.5 * at, 31.25, 20.5 * at + 100.125, 220.0) for at in range(4))
    images = []
    for number in range(count):
        path = folder / f"{number:06}.jpg"
        data = rng.randbytes(rng.randrange(min_kilobytes * 1000, max_kilobytes * 1000))
        path.write_bytes(data)
        image = LabelledImage(
            file_name=path.name, split="train", sha256=hashlib.sha256(data).hexdigest(), size=len(data),
            width=640, height=640, boxes=boxes,
        )  # fmt: skip
        images.append((image, path))
    return images


def version_of(files: Images) -> Version:
    """Make a version of labels with these images, and the paths of their files."""
    images = tuple(image for image, _ in files)
    snapshot = DatasetSnapshot(classes=("cat", "dog"), images=images, source=LabelSource(kind="file", name="x"))
    return snapshot, {image.sha256: path for image, path in files}


def time_steps(settings: StoreSettings, versions: list[Version], folder: Path) -> dict[str, list[float]]:
    """Measure the seconds of each step, straight to the server; a twentieth differs from version to version."""
    store, cache = Store(settings), BlobCache(folder / "blobs", 10**12)
    times: dict[str, list[float]] = {"new": [], "again": [], "changed": [], "fetch": []}

    def time_step(name: str, work: Callable[[], object]) -> None:
        start = time.monotonic()
        work()
        times[name].append(time.monotonic() - start)

    time_step("new", partial(save_snapshot, store, *versions[0]))
    for number, (before, later) in enumerate(pairwise(versions)):
        time_step("again", partial(save_snapshot, store, *before))
        time_step("changed", partial(save_snapshot, store, *later))
        fill_cache(cache, later)
        time_step("fetch", partial(fetch_dataset, store, later[0].digest, folder / f"data-{number}", cache))
    return times


def fill_cache(cache: BlobCache, version: Version) -> None:
    """Put all images of a version into a worker's cache, by hard links, which take no room."""
    for sha256, path in version[1].items():
        cached = cache.folder / sha256[:2] / sha256
        cached.parent.mkdir(parents=True, exist_ok=True)
        if not cached.exists():
            cached.hardlink_to(path)


def count_bytes(settings: StoreSettings, before: Version, later: Version, folder: Path) -> dict[str, Counter[str]]:
    """Count the bytes that each step moves; ``before`` is in the store."""
    bytes_moved = {}
    cache = BlobCache(folder / "blobs", 10**12)
    fill_cache(cache, later)
    with CountingRelay(settings.endpoint) as relay:
        store = Store(settings.model_copy(update={"endpoint": relay.endpoint}))
        save_snapshot(store, *before)
        bytes_moved["again"] = relay.take_counts()
        save_snapshot(store, *later)
        bytes_moved["changed"] = relay.take_counts()
        fetch_dataset(store, later[0].digest, folder / "data", cache)
        bytes_moved["fetch"] = relay.take_counts()
    return bytes_moved


class CountingRelay:
    """Forwards HTTP to ``endpoint``, and counts bytes by the headers of the requests."""

    def __init__(self, endpoint: str) -> None:
        url = urlsplit(endpoint)
        self._target = (url.hostname, url.port)
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> "CountingRelay":
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        self._listener.close()

    def take_counts(self) -> Counter[str]:
        """Give what was counted since the last time."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        return counts

    def _count(self, **more: int) -> None:
        with self._lock:
            self._counts.update(more)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                for work in (self._forward_requests, self._forward_responses):
                    threading.Thread(target=work, args=(client, server), daemon=True).start()

    def _forward_requests(self, client: socket.socket, server: socket.socket) -> None:
        """Forward bodies as they come: a client may wait for ``100 Continue`` before it sends one."""
        with suppress(OSError), client, client.makefile("rb") as source:
            while head := b"".join(iter(source.readline, b"\r\n")):
                image = keys.blobs().encode() in head.split(b"?")[0].split(b"\r\n")[0]
                self._count(requests=1, image_requests=int(image), sent=len(head) + 2)
                server.sendall(head + b"\r\n")
                remaining = content_length(head)
                while remaining > 0 and (data := source.read1(min(remaining, 2**16))):
                    remaining -= len(data)
                    self._count(sent=len(data), image_bytes=len(data) if image else 0)
                    server.sendall(data)

    def _forward_responses(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError), server:
            while data := server.recv(2**16):
                self._count(received=len(data))
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)


def content_length(head: bytes) -> int:
    """Give the length of a request's body; boto3 is set not to send chunks, which would need another count."""
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
    if b"transfer-encoding" in fields:
        raise ValueError("a request in chunks")
    return int(fields.get(b"content-length", 0))


def show(times: dict[str, list[float]], bytes_moved: dict[str, Counter[str]], snapshot: DatasetSnapshot) -> None:
    """Print the table, and whether each target is met."""
    count, total_bytes = len(snapshot.images), sum(image.size for image in snapshot.images)
    print(f"all images: {total_bytes / 1e6:.1f} MB")
    print(f"{'':20} {'s':>7} {'s/10000':>8} {'requests':>8} {'MB sent':>8} {'images':>8} {'MB received':>11}")
    names = {"new": "a new version", "again": "the same again", "changed": "5 % others", "fetch": "fetched, cache warm"}
    for name, label in names.items():
        seconds, counts = statistics.median(times[name]), bytes_moved.get(name)
        line = f"{label:20} {seconds:7.2f} {seconds / count * 10_000:8.2f}"
        if counts:
            sent, images, received = (counts[what] / 1e6 for what in ("sent", "image_bytes", "received"))
            line += f" {counts['requests']:8} {sent:8.2f} {images:8.2f} {received:11.2f}"
        print(line)
    again = statistics.median(times["again"]) / count * 10_000
    images_fraction, sent_fraction = (bytes_moved["changed"][what] / total_bytes for what in ("image_bytes", "sent"))
    image_requests = bytes_moved["fetch"]["image_requests"]
    verdict(f"the same again: {again:.2f} s for 10000 images (target {MAX_SECONDS:g})", again < MAX_SECONDS)
    bytes_again = bytes_moved["again"]["image_bytes"]
    verdict(f"the same again: {bytes_again} bytes of images sent (target 0)", bytes_again == 0)
    print(f"5 % others: images alone {images_fraction:.2%} of all images' bytes")
    verdict(
        f"5 % others: {sent_fraction:.2%} sent with manifest and headers (target {MAX_FRACTION:.0%})",
        sent_fraction <= MAX_FRACTION,
    )
    verdict(f"fetched, cache warm: {image_requests} requests for images (target 0)", image_requests == 0)


def verdict(what: str, met: bool) -> None:
    print(f"{what}: {'met' if met else 'MISSED'}")


if __name__ == "__main__":
    main()
