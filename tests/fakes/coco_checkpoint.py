"""``python -m tests.fakes.coco_checkpoint PATH``: a checkpoint of YOLO-NAS s with COCO's 80 classes, of random weights.

It is written as super-gradients writes it, with its own network.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def write_checkpoint(path: Path) -> Path:
    """Write it in a process of its own, so that the caller has no super-gradients."""
    environment = {**os.environ, "HOME": str(path.parent), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", "-m", __name__, str(path)]
    subprocess.run(command, check=True, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    return path


def main() -> None:
    """Write it here."""
    from tasks.training.worker.runtime.process import heavy_imports, quiet_libraries

    path = Path(sys.argv[1])
    quiet_libraries(path.parent)
    with heavy_imports():
        import torch
        from super_gradients.training import models
    network = models.get("yolo_nas_s", num_classes=80)
    torch.save({"net": network.state_dict(), "acc": 0.47, "epoch": 3}, path)


if __name__ == "__main__":
    main()
