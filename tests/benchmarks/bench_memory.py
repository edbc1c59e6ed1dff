"""Peak resident memory of our trainer compared with super-gradients' ``Trainer``, at the usual image size.

Run it with ``python -m tests.benchmarks.bench_memory``. YOLO-NAS-S from scratch, 640 px, batch 8, one epoch of two
steps and a validation, each in a process of its own: ours in the precision it chooses and in fp32, super-gradients in
fp32. Measured by the system (``wait4``) for the largest process of each; loader processes are not added.
"""

import argparse
import tempfile
from pathlib import Path

from tests.benchmarks.peers import contestants
from tests.benchmarks.peers.images import write_images
from tests.benchmarks.peers.jobs import Job

CONTESTANTS: dict[str, contestants.Contestant] = {
    "super-gradients fp32": contestants.SUPER_GRADIENTS,
    "nasflow": contestants.NASFLOW,
    "nasflow fp32": contestants.NASFLOW_FP32,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in {"images": 16, "valid": 8, "size": 640, "batch": 8}.items():
        parser.add_argument(f"--{name}", type=int, default=value, help=f"default {value}")
    options = parser.parse_args()
    print(contestants.machine())
    print(f"{options.images} + {options.valid} images of {options.size} px, batch {options.batch}, 1 epoch", flush=True)
    reference = 0
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        write_images(Path(name), options.images, options.valid, side=options.size)
        for place, (contestant, trainer) in enumerate(CONTESTANTS.items()):
            run = trainer.train(Job(name, f"{name}/{place}", trainer.network, options.size, options.batch, 1, 5e-4))
            reference = reference or run.peak_bytes
            device, ratio = run.report.get("device", "cpu 32-true"), run.peak_bytes / reference
            print(f"{contestant:21} {run.peak_bytes / 1e6:6.0f} MB, {ratio:.2f} of the first  {device}", flush=True)


if __name__ == "__main__":
    main()
