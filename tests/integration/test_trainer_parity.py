"""The proof of our training step: it computes what super-gradients' own ``Trainer`` computes."""

import json
import os
import subprocess
import sys

import pytest

from tests.fakes.datasets import make_spec, write_dataset, write_spec


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """Twenty steps of both from the same weights on the same augmented batches, fp32, AdamW, constant learning rate.

    The weight decay is large, so that a parameter in the wrong group would show. Only one thing of our step is switched
    off, the fused kernel of AdamW: it rounds otherwise, and training makes large differences of small ones within a few
    steps. The spec names given weights: from random ones we warm up the running statistics, and super-gradients does
    not.
    """
    folder = tmp_path_factory.mktemp("parity")
    snapshot = write_dataset(folder / "data", 8, 2, size=128)
    constant = {"warmup_steps": 0, "final_learning_rate_ratio": 1.0, "learning_rate": 1e-3, "weight_decay": 0.5}
    given_weights = {"weights_sha256": "0" * 64}
    write_spec(folder / "spec.json", make_spec(snapshot, epochs=5, image_size=128, **constant, **given_weights))
    done = subprocess.run(
        [sys.executable, "-m", "tests.fakes.parity", str(folder)],
        env={**os.environ, "HOME": str(folder), "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "losses.json").read_text())


def test_every_step_has_the_same_loss(comparison: dict) -> None:
    ours, theirs = comparison["ours"], comparison["theirs"]
    assert len(ours) == len(theirs) == 20
    for step, (our_parts, their_parts) in enumerate(zip(ours, theirs, strict=True), start=1):
        assert our_parts == pytest.approx(their_parts, rel=0, abs=1e-5), f"step {step}: {our_parts} and {their_parts}"
    assert len({tuple(parts) for parts in ours}) == 20, "the steps have to differ for this to say anything"


def test_the_learning_rate_follows_the_same_curve(comparison: dict) -> None:
    """Within one step: super-gradients' cosine is a step longer, so that it never quite reaches the last rate."""
    ours, theirs = comparison["rates"]
    assert len(ours) == len(theirs) == 360
    assert ours == pytest.approx(theirs, abs=max(ours) / 360)
    assert ours[0] == theirs[0] == max(ours)


def test_the_ema_is_the_same_in_the_end(comparison: dict) -> None:
    """Ours starts as a copy of the network; super-gradients' holds a tenth of the first weights, for a while."""
    assert comparison["ema"] < 1e-5


def test_the_weights_are_the_same_in_the_end(comparison: dict) -> None:
    assert comparison["weights"] < 1e-6
