"""Reading labels: our check compared with a bare loop that decodes and hashes the same files, and how it grows.

Run it with ``python -m tests.benchmarks.bench_labels``. Drawn images of 640 x 640 pixels (JPEG), YOLO labels; each
size in a process of its own, the bare loop and the check in turn. The bare loop reads, hashes and decodes with as many
threads.

- check: images per second of the whole check, as a ratio to the bare loop;
- growth: time per image at the largest size, as a ratio to the smallest, and the peak memory of the process.
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
from tests.benchmarks.peers import contestants

SIDE = 640
DRAWN = 200
"""Images that are drawn; the others are copies with some more bytes at the end, which decoders ignore."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000], help="images; default 1000 10000")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        return work(*options.worker)
    print(f"{contestants.machine()}, {options.rounds} rounds, best of each")
    seconds_per_image = {}
    for size in options.sizes:
        with tempfile.TemporaryDirectory(prefix="bench-labels-") as name:
            export = write_export(Path(name) / "export", size)
            rounds = [[measure(kind, export) for kind in ("bare", "check")] for _ in range(options.rounds)]
        bare, check = (min(done["seconds"] for done in runs) for runs in zip(*rounds, strict=True))
        peak = max(done[1]["peak"] for done in rounds)
        seconds_per_image[size] = check / size
        print(f"{size:7} images: bare {size / bare:7.1f}/s, check {size / check:7.1f}/s, ratio {bare / check:.2f} "
              f"(target 0.8), peak {peak / 1e6:.0f} MB (target 1000)", flush=True)  # fmt: skip
    first, last = options.sizes[0], options.sizes[-1]
    growth = seconds_per_image[last] / seconds_per_image[first]
    print(f"time per image, {last} compared with {first} images: x {growth:.2f} (target 1.3)")
    return None


def write_export(folder: Path, count: int) -> Path:
    """Write a YOLO export with ``count`` images, no two with the same bytes."""
    rng = np.random.default_rng(1)
    drawn = []
    for _ in range(min(DRAWN, count)):
        small = Image.fromarray(rng.integers(0, 256, (20, 20, 3), np.uint8))
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


def measure(kind: str, export: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.benchmarks.bench_labels", "--worker", kind, str(export)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=contestants.ROOT)
    return json.loads(done.stdout)


def work(kind: str, export: str) -> None:
    start = time.monotonic()
    if kind == "bare":
        paths = sorted(Path(export).rglob("*.jpg"))
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            for _ in pool.map(decode_and_hash, paths):
                pass
    else:
        scratch = Path(tempfile.mkdtemp())
        require_snapshot(inspect_export(Path(export), scratch))
        shutil.rmtree(scratch)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": time.monotonic() - start, "peak": peak}))


def decode_and_hash(path: Path) -> str:
    data = path.read_bytes()
    with Image.open(io.BytesIO(data)) as image:
        image.load()
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    main()
