"""Downloading an export: our fetch_export() beside the ``roboflow`` package's own Version.download().

Run it with ``python -m tests.benchmarks.bench_download [--megabytes N] [--rounds N]``. A stand-in for Roboflow on this
machine, in a process of its own, sends a zip of images from disk; each download is a process of its own, by turns.
The package is the real one, pointed at the stand-in. Seconds and CPU seconds are of the call alone, without imports.

They do not do the same, so there are four rows:

- ours: fetch_export(), until the zip is on disk for certain (fsync) and known to be whole (length, CRC of all members);
- ours, unpacked: the same and zips.unpack(), which leaves what download() leaves;
- package: its download() as people use it: transfer, unpacking (which sees each CRC), removal of the zip; no fsync;
- package, transfer: its transfer alone; nobody has looked at what came.

The target: ours takes no longer than the package's download().
"""

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.labeling.formats import zips
from tasks.labeling.roboflow.export import fetch_export
from tasks.settings import RoboflowSettings
from tests.benchmarks.peers import contestants as c
from tests.fakes.roboflow_server import KEY, PROJECT, WORKSPACE

IMAGE_BYTES = 60_000
KINDS = ("ours", "package", "ours, unpacked", "package, transfer")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        kind, url, folder = given.worker
        return work(kind, url, Path(folder))
    print(f"{c.machine()}, {given.megabytes} MB, {given.rounds} rounds, medians")
    rows: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory(prefix="bench-download-") as name:
        archive = write_zip(Path(name) / "export.zip", given.megabytes * 10**6)
        with served(archive) as url:
            for _ in range(given.rounds):
                for kind, row in rows.items():
                    row.append(measured(kind, url, Path(name) / "got"))
    show(rows, given.megabytes)
    return None


def write_zip(path: Path, size: int) -> Path:
    """A zip of stored images, as Roboflow sends them; random bytes, like JPEG's, do not shrink."""
    dice = random.Random(1)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        for number in range(size // IMAGE_BYTES):
            file.writestr(f"train/{number:06}.jpg", dice.randbytes(IMAGE_BYTES))
    return path


@contextmanager
def served(archive: Path) -> Iterator[str]:
    """The stand-in's URL, while it runs."""
    command = [sys.executable, "-m", "tests.fakes.roboflow_server", str(archive)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, cwd=c.ROOT, **pipes) as server:
        yield server.stdout.readline().strip()
        server.stdin.close()


def measured(kind: str, url: str, folder: Path) -> dict[str, float]:
    """Let a process download into an empty folder; earlier downloads are on disk before it begins."""
    shutil.rmtree(folder, ignore_errors=True)
    os.sync()
    command = [sys.executable, "-m", "tests.benchmarks.bench_download", "--worker", kind, url, str(folder)]
    environment = {**os.environ, "API_URL": url, "PYTHON_DOTENV_DISABLED": "1"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=c.ROOT, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def work(kind: str, url: str, folder: Path) -> None:
    download = CALLS[kind](url, folder)
    began, busy = time.monotonic(), time.process_time()
    download()
    print()
    print(json.dumps({"seconds": time.monotonic() - began, "cpu": time.process_time() - busy}))


def ours(url: str, folder: Path) -> Callable[[], object]:
    import roboflow  # noqa: F401 - before the clock runs

    settings = RoboflowSettings(api_key=KEY, api_url=url)
    return lambda: fetch_export(settings, WORKSPACE, PROJECT, 10, folder / "export.zip")


def ours_unpacked(url: str, folder: Path) -> Callable[[], object]:
    fetch = ours(url, folder)

    def download() -> None:
        fetch()
        zips.unpack(folder / "export.zip", folder / "unpacked")

    return download


def package(_url: str, folder: Path) -> Callable[[], object]:
    one = version()
    return lambda: one.download("coco", location=str(folder), overwrite=True)


def package_transfer(url: str, folder: Path) -> Callable[[], object]:
    one = version()
    link = link_of(url)
    return lambda: one._Version__download_zip(link, str(folder), "coco")


def version():
    """The package's object for a version; made as its Project makes it, of the fields that download() looks at."""
    from roboflow.core.version import Version

    number = f"{WORKSPACE}/{PROJECT}/10"
    facts = {"augmentation": {}, "created": 0, "id": number, "images": 6, "preprocessing": {}, "splits": {},
             "exports": ["coco"]}  # fmt: skip
    return Version(facts, "object-detection", KEY, PROJECT, number, None, None, WORKSPACE, PROJECT, False)


def link_of(url: str) -> str:
    """The signed link, as the package asks for it."""
    from roboflow.adapters import rfapi

    return rfapi.get_version_export(KEY, WORKSPACE, PROJECT, "10", "coco")["export"]["link"]


CALLS = {"ours": ours, "ours, unpacked": ours_unpacked, "package": package, "package, transfer": package_transfer}


def show(rows: dict[str, list[dict[str, float]]], megabytes: int) -> None:
    middle = {kind: statistics.median(run["seconds"] for run in row) for kind, row in rows.items()}
    print(f"{'':18} {'s':>7} {'least':>7} {'most':>7} {'CPU s':>7} {'MB/s':>7} {'of package':>10}")
    for kind, row in rows.items():
        seconds = [run["seconds"] for run in row]
        busy = statistics.median(run["cpu"] for run in row)
        print(f"{kind:18} {middle[kind]:7.2f} {min(seconds):7.2f} {max(seconds):7.2f} {busy:7.2f} "
              f"{megabytes / middle[kind]:7.0f} {middle[kind] / middle['package']:10.2f}")  # fmt: skip
    ratio = middle["package"] / middle["ours"]
    reached = "met" if ratio >= 1 else "MISSED"
    print(f"ours is {ratio:.2f} times as fast as the package's download() (target 1): {reached}")


if __name__ == "__main__":
    main()
