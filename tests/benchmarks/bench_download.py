"""Downloading an export: our fetch_export() compared with the ``roboflow`` package's own Version.download().

Run it with ``python -m tests.benchmarks.bench_download [--megabytes N] [--rounds N]``. A fake Roboflow server on
this machine, in a process of its own, sends a zip of images from disk; each download is a process of its own, in turn.
The package is the real one, with the fake server's URL. Seconds and CPU seconds are of the call alone, without imports.

The two do not do the same, so there are four rows:

- ours: fetch_export(), until the zip is safely on disk (fsync) and known to be complete (length, CRC of all members);
- ours, unpacked: the same and zips.unpack(), with the result of download();
- package: its download() as people use it: transfer, unpacking (which checks each CRC), removal of the zip; no fsync;
- package, transfer: its transfer alone, without any check.

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

from pydantic import SecretStr

from tasks.labeling.formats import zips
from tasks.labeling.roboflow.export import fetch_export
from tasks.labeling.roboflow.versions import VersionRequest
from tasks.settings import RoboflowSettings
from tests.benchmarks.peers import contestants
from tests.fakes.roboflow_project import PROJECT, WORKSPACE
from tests.fakes.roboflow_server import KEY

IMAGE_BYTES = 60_000
KINDS = ("ours", "package", "ours, unpacked", "package, transfer")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        kind, url, folder = options.worker
        return work(kind, url, Path(folder))
    print(f"{contestants.machine()}, {options.megabytes} MB, {options.rounds} rounds, medians")
    rows: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory(prefix="bench-download-") as name:
        archive = write_zip(Path(name) / "export.zip", options.megabytes * 10**6)
        with served(archive) as url:
            for _ in range(options.rounds):
                for kind, row in rows.items():
                    row.append(measure(kind, url, Path(name) / "download"))
    show(rows, options.megabytes)
    return None


def write_zip(path: Path, size: int) -> Path:
    """Write a zip of stored images, as Roboflow sends them; random bytes, like JPEG's, do not shrink."""
    rng = random.Random(1)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        for number in range(size // IMAGE_BYTES):
            file.writestr(f"train/{number:06}.jpg", rng.randbytes(IMAGE_BYTES))
    return path


@contextmanager
def served(archive: Path) -> Iterator[str]:
    """Run the fake server, and give its URL."""
    command = [sys.executable, "-m", "tests.fakes.roboflow_server", str(archive)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, text=True, cwd=contestants.ROOT, stdin=pipe, stdout=pipe) as server:
        yield server.stdout.readline().strip()
        server.stdin.close()


def measure(kind: str, url: str, folder: Path) -> dict[str, float]:
    """Let a process download into an empty folder; earlier downloads are on disk before it starts."""
    shutil.rmtree(folder, ignore_errors=True)
    os.sync()
    command = [sys.executable, "-m", "tests.benchmarks.bench_download", "--worker", kind, url, str(folder)]
    environment = {**os.environ, "API_URL": url, "PYTHON_DOTENV_DISABLED": "1"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=contestants.ROOT, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def work(kind: str, url: str, folder: Path) -> None:
    download = CALLS[kind](url, folder)
    start, cpu_start = time.monotonic(), time.process_time()
    download()
    print()
    print(json.dumps({"seconds": time.monotonic() - start, "cpu": time.process_time() - cpu_start}))


def ours(url: str, folder: Path) -> Callable[[], object]:
    import roboflow  # noqa: F401 - before the time is taken

    settings = RoboflowSettings(api_key=SecretStr(KEY), api_url=url)
    request = VersionRequest(WORKSPACE, PROJECT, 10)
    return lambda: fetch_export(settings, request, folder / "export.zip")


def ours_unpacked(url: str, folder: Path) -> Callable[[], object]:
    fetch = ours(url, folder)

    def download() -> None:
        fetch()
        zips.unpack(folder / "export.zip", folder / "unpacked")

    return download


def package(_url: str, folder: Path) -> Callable[[], object]:
    roboflow_version = version()
    return lambda: roboflow_version.download("coco", location=str(folder), overwrite=True)


def package_transfer(url: str, folder: Path) -> Callable[[], object]:
    roboflow_version = version()
    link = link_of(url)
    return lambda: roboflow_version._Version__download_zip(link, str(folder), "coco")


def version():
    """Make the package's object for a version as its Project does, with the fields that download() uses."""
    from roboflow.core.version import Version

    number = f"{WORKSPACE}/{PROJECT}/10"
    fields = {"augmentation": {}, "created": 0, "id": number, "images": 6, "preprocessing": {}, "splits": {},
             "exports": ["coco"]}  # fmt: skip
    return Version(fields, "object-detection", KEY, PROJECT, number, None, None, WORKSPACE, PROJECT, False)


def link_of(url: str) -> str:
    """Ask for the signed link as the package does."""
    from roboflow.adapters import rfapi

    return rfapi.get_version_export(KEY, WORKSPACE, PROJECT, "10", "coco")["export"]["link"]


CALLS = {"ours": ours, "ours, unpacked": ours_unpacked, "package": package, "package, transfer": package_transfer}


def show(rows: dict[str, list[dict[str, float]]], megabytes: int) -> None:
    medians = {kind: statistics.median(run["seconds"] for run in row) for kind, row in rows.items()}
    print(f"{'':18} {'s':>7} {'min':>7} {'max':>7} {'CPU s':>7} {'MB/s':>7} {'of package':>10}")
    for kind, row in rows.items():
        seconds = [run["seconds"] for run in row]
        cpu = statistics.median(run["cpu"] for run in row)
        print(f"{kind:18} {medians[kind]:7.2f} {min(seconds):7.2f} {max(seconds):7.2f} {cpu:7.2f} "
              f"{megabytes / medians[kind]:7.0f} {medians[kind] / medians['package']:10.2f}")  # fmt: skip
    ratio = medians["package"] / medians["ours"]
    verdict = "met" if ratio >= 1 else "MISSED"
    print(f"ours is {ratio:.2f} times as fast as the package's download() (target 1): {verdict}")


if __name__ == "__main__":
    main()
