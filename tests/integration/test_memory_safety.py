"""channels-last on a CPU: glibc's checks find nothing, and every step is that of contiguous tensors."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKER = Path("/lib/x86_64-linux-gnu/libc_malloc_debug.so.0")
STEPS = """
import sys, torch
from pathlib import Path
from tasks.training.worker.runtime.process import heavy_imports, quiet_libraries
quiet_libraries(Path(sys.argv[1]))
with heavy_imports():
    from super_gradients.training.losses import PPYoloELoss
    from tasks.training.worker.model.convolutions import guard_channels_last
    from tasks.training.worker.model.network import build_network
    from tasks.training.worker.loop.validation import as_fp32
precision, steps = sys.argv[2], int(sys.argv[3])
torch.manual_seed(0)
network = build_network("s", 2).to(memory_format=torch.channels_last).train()
assert guard_channels_last(network) == 5
loss = PPYoloELoss(num_classes=2, use_static_assigner=False)
targets = torch.tensor([[i, i % 2, 50.0, 60.0, 40.0, 30.0] for i in range(4)])
for _ in range(steps):
    images = torch.rand(4, 3, 128, 128).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        outputs = network(images)
    loss(as_fp32(outputs), targets)[0].backward()
    network.zero_grad()
print("done")
"""


@pytest.mark.skipif(not CHECKER.exists(), reason=f"{CHECKER} is not there, so writes outside memory cannot be found")
@pytest.mark.timeout(900)  # processors without bf16 take minutes for the second one
@pytest.mark.parametrize(("precision", "steps"), [("fp32", 40), ("bf16", 10)])
def test_channels_last_stays_in_its_memory(tmp_path: Path, precision: str, steps: int) -> None:
    """The guard holds for some steps under glibc's checks; bf16 takes seconds a step where it is not in hardware."""
    checked = {**os.environ, "HOME": str(tmp_path), "LD_PRELOAD": str(CHECKER), "MALLOC_CHECK_": "3"}
    done = subprocess.run(
        [sys.executable, "-c", STEPS, tmp_path, precision, str(steps)],
        env=checked | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.endswith("done\n")


GRADIENTS = """
import copy, sys, torch
from pathlib import Path
from tasks.training.worker.runtime.process import heavy_imports, quiet_libraries
quiet_libraries(Path(sys.argv[1]))
with heavy_imports():
    from tasks.training.worker.model.convolutions import guard_channels_last
    from tasks.training.worker.model.network import build_network
torch.manual_seed(0)
network = build_network("s", 2).train()
for part in network.modules():
    if isinstance(part, torch.nn.BatchNorm2d):
        part.eval()  # batch statistics of so small a network blow rounding up a thousandfold
other = copy.deepcopy(network).to(memory_format=torch.channels_last)
assert guard_channels_last(other) == 5
images = torch.rand(2, 3, 128, 128)
def tensors(value):
    if isinstance(value, (tuple, list)):
        return [tensor for part in value for tensor in tensors(part)]
    return [value] if isinstance(value, torch.Tensor) and value.requires_grad else []
plain = tensors(network(images))
last = tensors(other(images.contiguous(memory_format=torch.channels_last)))
for one, two in zip(plain, last, strict=True):
    weight = torch.randn_like(one)
    (one * weight).sum().backward(retain_graph=True)
    (two * weight).sum().backward(retain_graph=True)
worst = 0.0
for one, two in zip(network.parameters(), other.parameters(), strict=True):
    if one.grad is not None:
        worst = max(worst, ((one.grad - two.grad).norm() / one.grad.norm().clamp(min=1e-6)).item())
print(worst)
"""


def test_channels_last_gives_the_gradients_of_contiguous_tensors(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", GRADIENTS, tmp_path], env={**os.environ, "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert float(done.stdout.splitlines()[-1]) < 1e-3
