"""Largest resident memory of our trainer beside super-gradients' ``Trainer`` at the size that people train at.

Run it with ``python -m tests.benchmarks.bench_memory``. YOLO-NAS-S from scratch, 640 px, batch 8, one epoch of two
steps and a validation, each in a process of its own: ours in the precision it chooses and in fp32, super-gradients in
fp32. Measured by the system (``wait4``) for the largest process of each, so loader processes are not added up.
"""

import argparse
import tempfile
from pathlib import Path

from tests.benchmarks.peers.images import write_images

from tests.benchmarks.peers import contestants as c
from tests.benchmarks.peers.jobs import Job

CONTESTANTS = {"super-gradients fp32": c.SUPER_GRADIENTS, "nasflow": c.NASFLOW, "nasflow fp32": c.NASFLOW_FP32}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in {"images": 16, "valid": 8, "size": 640, "batch": 8}.items():
        parser.add_argument(f"--{name}", type=int, default=value, help=f"default {value}")
    given = parser.parse_args()
    print(c.machine())
    print(f"{given.images} + {given.valid} images of {given.size} px, batch {given.batch}, 1 epoch", flush=True)
    reference = 0
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        write_images(Path(name), given.images, given.valid, side=given.size)
        for place, (contestant, trainer) in enumerate(CONTESTANTS.items()):
            run = trainer.train(Job(name, f"{name}/{place}", trainer.network, given.size, given.batch, 1, 5e-4))
            reference = reference or run.peak_bytes
            device, share = run.told.get("device", "cpu 32-true"), run.peak_bytes / reference
            print(f"{contestant:21} {run.peak_bytes / 1e6:6.0f} MB, {share:.2f} of the first  {device}", flush=True)


if __name__ == "__main__":
    main()
