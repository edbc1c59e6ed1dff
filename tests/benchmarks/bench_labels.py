"""Reading labels: our check against a bare loop that decodes and hashes the same files, and how it grows.

Run it with ``python -m tests.benchmarks.bench_labels``. Drawn images of 640 x 640 pixels (JPEG), YOLO labels; each
size in a process of its own, bare and checked by turns. The bare loop reads, hashes and decodes with as many threads.

- check: images a second of the whole check as a ratio to the bare loop;
- growth: time an image at the largest size as a ratio to the smallest, and the peak memory of the process.
"""

import argparse
import hashlib
import io
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from tasks.labeling.inspection import inspect_export, require_snapshot
from tests.benchmarks.peers import contestants as c

SIDE = 640
DIFFERENT = 200
"""Images that are drawn; the others are these with a few bytes more, which no decoder looks at."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000], help="images; default 1000 10000")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        return work(*given.worker)
    print(f"{c.machine()}, {given.rounds} rounds, best of each")
    results = {}
    for size in given.sizes:
        with tempfile.TemporaryDirectory(prefix="bench-labels-") as name:
            export = write_export(Path(name) / "export", size)
            rounds = [[measured(kind, export) for kind in ("bare", "check")] for _ in range(given.rounds)]
        bare, check = (min(done["seconds"] for done in both) for both in zip(*rounds, strict=True))
        peak = max(done[1]["peak"] for done in rounds)
        results[size] = check / size
        print(f"{size:7} images: bare {size / bare:7.1f}/s, check {size / check:7.1f}/s, ratio {bare / check:.2f} "
              f"(target 0.8), peak {peak / 1e6:.0f} MB (target 1000)", flush=True)  # fmt: skip
    first, last = given.sizes[0], given.sizes[-1]
    print(f"time an image, {last} beside {first} images: x {results[last] / results[first]:.2f} (target 1.3)")
    return None


def write_export(folder: Path, count: int) -> Path:
    """A YOLO export of so many images, no two alike in bytes."""
    dice = np.random.default_rng(1)
    drawn = []
    for _ in range(min(DIFFERENT, count)):
        small = Image.fromarray(dice.integers(0, 256, (20, 20, 3), np.uint8))
        file = io.BytesIO()
        small.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
        drawn.append(file.getvalue())
    for split, share in (("train", 0.8), ("valid", 0.2)):
        for part in ("images", "labels"):
            (folder / split / part).mkdir(parents=True)
        for number in range(int(count * share)):
            name = f"{split}{number:06}"
            (folder / split / "images" / f"{name}.jpg").write_bytes(drawn[number % len(drawn)] + name.encode())
            rows = "".join(f"{at % 3} {0.2 + at / 10:.3f} 0.5 0.1 0.2\n" for at in range(4))
            (folder / split / "labels" / f"{name}.txt").write_text(rows)
    (folder / "data.yaml").write_text("names: [cat, cow, dog]\n")
    return folder


def measured(kind: str, export: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.benchmarks.bench_labels", "--worker", kind, str(export)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=c.ROOT)
    return json.loads(done.stdout)


def work(kind: str, export: str) -> None:
    began = time.monotonic()
    if kind == "bare":
        paths = sorted(Path(export).rglob("*.jpg"))
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            for _ in pool.map(decoded, paths):
                pass
    else:
        scratch = Path(tempfile.mkdtemp())
        require_snapshot(inspect_export(Path(export), scratch))
        shutil.rmtree(scratch)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": time.monotonic() - began, "peak": peak}))


def decoded(path: Path) -> str:
    data = path.read_bytes()
    with Image.open(io.BytesIO(data)) as image:
        image.load()
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    main()
