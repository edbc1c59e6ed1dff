"""Snapshots in a real store: what a new version, the same one again and a changed one cost in time and in bytes.

Run it with ``python -m tests.benchmarks.bench_snapshots [--images N] [--rounds N] [--kilobytes LEAST MOST]``.
SeaweedFS on this machine, files of 10 to 100 kB, as JPEGs of 640 pixels have, with random bytes (saving moves files, it
does not look into them), four boxes each. A first version is saved, then by turns the same again and one with a
twentieth of others, without anything between us and the server. After that bytes are counted by a relay between, which
reads the heads of the requests that pass: what really went to the server, whatever our code believes.

- again: seconds of saving an unchanged version, for 10,000 images, and bytes of images sent;
- changed: bytes sent when a twentieth of the images are others, manifest and heads of requests included, as a share
  of all images' bytes (smaller images make the manifest a larger share);
- fetch: the version with changes onto a worker that has its images already: no bytes of images received.
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
from tests.benchmarks.peers import contestants as c

CHANGED = 0.05
MAX_SECONDS = 2.0
"""For saving 10,000 unchanged images again."""
MAX_SHARE = 0.06

Images = list[tuple[LabelledImage, Path]]
Version = tuple[DatasetSnapshot, dict[str, Path]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kilobytes", type=int, nargs=2, default=[10, 100], help="size of an image; default 10 100")
    given = parser.parse_args()
    print(f"{c.machine()}, {given.images} images, {given.rounds} rounds, medians")
    with tempfile.TemporaryDirectory(prefix="bench-snapshots-") as name:
        folder = Path(name)
        spare = max(1, round(given.images * CHANGED))
        images = write_images(folder / "images", given.images + spare * (given.rounds + 1), *given.kilobytes)
        versions = [version_of(images[spare * at :][: given.images]) for at in range(given.rounds + 2)]
        with Seaweed(folder / "seaweed", bucket="bench") as server:
            times = timed(server.settings(), versions[:-1], folder)
            moved = counted(server.settings(), *versions[-2:], folder)
    show(times, moved, versions[-1][0])


def write_images(folder: Path, count: int, least: int, most: int) -> Images:
    """Files of so many kB, the same ones every time, and what a snapshot says of each."""
    dice = random.Random(1)
    folder.mkdir()
    boxes = tuple(Box(at % 2, 20.5 * at, 31.25, 20.5 * at + 100.125, 220.0) for at in range(4))
    images = []
    for number in range(count):
        path, data = folder / f"{number:06}.jpg", dice.randbytes(dice.randrange(least * 1000, most * 1000))
        path.write_bytes(data)
        image = LabelledImage(
            file_name=path.name, split="train", sha256=hashlib.sha256(data).hexdigest(), size=len(data),
            width=640, height=640, boxes=boxes,
        )  # fmt: skip
        images.append((image, path))
    return images


def version_of(files: Images) -> Version:
    """A version of labels with these images, and where they lie."""
    images = tuple(image for image, _ in files)
    snapshot = DatasetSnapshot(classes=("cat", "dog"), images=images, source=LabelSource(kind="file", name="x"))
    return snapshot, {image.sha256: path for image, path in files}


def timed(settings: StoreSettings, versions: list[Version], folder: Path) -> dict[str, list[float]]:
    """Seconds of each step, straight to the server; each version differs from the one before it by a twentieth."""
    store, cache = Store(settings), BlobCache(folder / "blobs", 10**12)
    times: dict[str, list[float]] = {"new": [], "again": [], "changed": [], "fetch": []}

    def clocked(name: str, work: Callable[[], object]) -> None:
        began = time.monotonic()
        work()
        times[name].append(time.monotonic() - began)

    clocked("new", partial(save_snapshot, store, *versions[0]))
    for number, (before, later) in enumerate(pairwise(versions)):
        clocked("again", partial(save_snapshot, store, *before))
        clocked("changed", partial(save_snapshot, store, *later))
        warm(cache, later)
        clocked("fetch", partial(fetch_dataset, store, later[0].digest, folder / f"data-{number}", cache))
    return times


def warm(cache: BlobCache, version: Version) -> None:
    """Give a worker's cache all images of a version, by links, which take no room."""
    for sha256, path in version[1].items():
        place = cache.folder / sha256[:2] / sha256
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            place.hardlink_to(path)


def counted(settings: StoreSettings, before: Version, later: Version, folder: Path) -> dict[str, Counter[str]]:
    """Bytes that each step moves; ``before`` is in the store."""
    moved = {}
    cache = BlobCache(folder / "blobs", 10**12)
    warm(cache, later)
    with CountingRelay(settings.endpoint) as relay:
        store = Store(settings.model_copy(update={"endpoint": relay.endpoint}))
        save_snapshot(store, *before)
        moved["again"] = relay.taken()
        save_snapshot(store, *later)
        moved["changed"] = relay.taken()
        fetch_dataset(store, later[0].digest, folder / "data", cache)
        moved["fetch"] = relay.taken()
    return moved


class CountingRelay:
    """Passes HTTP on to ``endpoint`` and counts, by what the heads of the requests say."""

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

    def taken(self) -> Counter[str]:
        """What was counted since the last time."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        return counts

    def _count(self, **more: int) -> None:
        with self._lock:
            self._counts.update(more)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target)
                for work in (self._pass_requests, self._pass_answers):
                    threading.Thread(target=work, args=(near, far), daemon=True).start()

    def _pass_requests(self, near: socket.socket, far: socket.socket) -> None:
        """A body goes on as it comes: the client may wait for a word before it sends one."""
        with suppress(OSError), near, near.makefile("rb") as source:
            while head := b"".join(iter(source.readline, b"\r\n")):
                image = keys.blobs().encode() in head.split(b"?")[0].split(b"\r\n")[0]
                self._count(requests=1, image_requests=int(image), sent=len(head) + 2)
                far.sendall(head + b"\r\n")
                left = length_of_body(head)
                while left > 0 and (data := source.read1(min(left, 2**16))):
                    left -= len(data)
                    self._count(sent=len(data), image_bytes=len(data) if image else 0)
                    far.sendall(data)

    def _pass_answers(self, near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError), far:
            while data := far.recv(2**16):
                self._count(received=len(data))
                near.sendall(data)
            near.shutdown(socket.SHUT_RDWR)


def length_of_body(head: bytes) -> int:
    """Of a request; boto3 is set not to send chunks, which would have to be counted in another way."""
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
    if b"transfer-encoding" in fields:
        raise ValueError("a request in chunks")
    return int(fields.get(b"content-length", 0))


def show(times: dict[str, list[float]], moved: dict[str, Counter[str]], snapshot: DatasetSnapshot) -> None:
    """The table, and a word for each target."""
    count, whole = len(snapshot.images), sum(image.size for image in snapshot.images)
    print(f"all images: {whole / 1e6:.1f} MB")
    print(f"{'':20} {'s':>7} {'s/10000':>8} {'requests':>8} {'MB sent':>8} {'images':>8} {'MB received':>11}")
    names = {"new": "a new version", "again": "the same again", "changed": "5 % others", "fetch": "fetched, cache warm"}
    for name, label in names.items():
        seconds, counts = statistics.median(times[name]), moved.get(name)
        told = f"{label:20} {seconds:7.2f} {seconds / count * 10_000:8.2f}"
        if counts:
            sent, images, received = (counts[what] / 1e6 for what in ("sent", "image_bytes", "received"))
            told += f" {counts['requests']:8} {sent:8.2f} {images:8.2f} {received:11.2f}"
        print(told)
    again = statistics.median(times["again"]) / count * 10_000
    alone, share = (moved["changed"][what] / whole for what in ("image_bytes", "sent"))
    asked = moved["fetch"]["image_requests"]
    verdict(f"the same again: {again:.2f} s for 10000 images (target {MAX_SECONDS:g})", again < MAX_SECONDS)
    bytes_again = moved["again"]["image_bytes"]
    verdict(f"the same again: {bytes_again} bytes of images sent (target 0)", bytes_again == 0)
    print(f"5 % others: images alone {alone:.2%} of all images' bytes")
    verdict(f"5 % others: {share:.2%} sent with manifest and heads (target {MAX_SHARE:.0%})", share <= MAX_SHARE)
    verdict(f"fetched, cache warm: {asked} requests for images (target 0)", asked == 0)


def verdict(what: str, reached: bool) -> None:
    print(f"{what}: {'met' if reached else 'MISSED'}")


if __name__ == "__main__":
    main()
