#!/usr/bin/env bash
# torch 2.14.1: an autocast that is switched off, around a training loop, freezes the weights of the autocast inside.
#
# One would guess: torch.autocast(enabled=False) around a loop does nothing, and each `with torch.autocast(...)` round a
#   forward pass casts the weights as they are then: its cache of cast weights ends with the block.
# Seen: the cache is emptied when the outermost autocast of the thread ends, and one with enabled=False counts as such. So
#   the inner blocks keep the weights of the first step: the optimiser moves the fp32 weights, and the loss never changes.
#   No error, no warning. With cache_enabled=False outside as well, it trains.
# Why it matters: trainers such as super-gradients' put an autocast round each forward pass themselves, and take a flag for
#   it. Whoever calls one from code that keeps a region in fp32 in the documented way, with enabled=False, trains nothing,
#   and a checkpoint of it looks whole. nasflow rounds weights itself, once a step.
set -euo pipefail
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
python3.11 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.14.1 numpy==2.4.6

"$here/venv/bin/python" - <<'PYTHON'
import sys
from contextlib import nullcontext

import torch

print("torch", torch.__version__)


def train(outside):
    """Fit a line for 50 steps; the first loss and the last."""
    torch.manual_seed(0)
    network = torch.nn.Linear(4, 1, bias=False)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    inputs = torch.randn(64, 4)
    targets = inputs @ torch.tensor([[1.0], [2.0], [-1.0], [0.5]])
    losses, before = [], network.weight.detach().clone()
    with outside:
        for _ in range(50):
            with torch.autocast("cpu", torch.bfloat16):
                outputs = network(inputs)
            loss = torch.nn.functional.mse_loss(outputs.float(), targets)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
    return losses[0], losses[-1], (network.weight - before).abs().max().item()


cases = {
    "nothing outside": (nullcontext(), True),
    "autocast outside": (torch.autocast("cpu", torch.bfloat16), False),
    "autocast(enabled=False) outside": (torch.autocast("cpu", torch.bfloat16, enabled=False), False),
    "autocast(enabled=False, cache_enabled=False) outside": (
        torch.autocast("cpu", torch.bfloat16, enabled=False, cache_enabled=False), True,
    ),
}
changed = []
for name, (outside, trains) in cases.items():
    first, last, moved = train(outside)
    print(f"{name:52} loss {first:.4f}, after 50 steps {last:.4f}; fp32 weights moved by {moved:.2f}")
    if (last < 0.01 * first) != trains or moved == 0 or (not trains and last != first):
        changed.append(name)
if changed:
    sys.exit(f"CHANGED: {', '.join(changed)}")
print("as described")
PYTHON
