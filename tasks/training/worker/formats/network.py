"""The trained network that files are made from, as it computes in fp32 on the processor, and what files say of it."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor, nn

from tasks.images.network_input import PAD_VALUE, PREPROCESSING
from tasks.local.files import file_sha256
from tasks.training.worker.model.network import build_network
from tasks.training.worker.model.postprocess import select_boxes
from tasks.training.worker.model.weights import load_all, read_metadata

Detect = Callable[[Tensor], list[Tensor]]
"""From images ``[B, 3, S, S]`` fp32 in [0, 1] to rows ``[n, 6]`` of each: x1, y1, x2, y2 in pixels of the network
input, score, class index."""


@dataclass(frozen=True)
class TrainedNetwork:
    """A network with a run's weights, in eval mode."""

    network: nn.Module
    variant: str
    classes: tuple[str, ...]
    size: int
    """Side of the network input in pixels."""
    threshold: float
    """Confidence threshold."""
    run_key: str
    weights_sha256: str
    training_images: Iterable[Tensor] = field(default=(), compare=False)
    """Batches of images that it was trained on, as ``Detect`` takes them; int8 is calibrated on them."""

    @classmethod
    def load(cls, weights: Path, threshold: float) -> "TrainedNetwork":
        """Load a weights file of ours.

        Raises:
            BadWeights: the file does not fit the network that its metadata name.
        """
        metadata = read_metadata(weights)
        classes = tuple(json.loads(metadata["classes"]))
        network = build_network(metadata["variant"], len(classes))
        load_all(network, weights)
        return cls(
            network=network.eval(),
            variant=metadata["variant"],
            classes=classes,
            size=int(metadata["image_size"]),
            threshold=threshold,
            run_key=metadata.get("run_key", ""),
            weights_sha256=file_sha256(weights),
        )

    def describe(self) -> dict[str, str]:
        """What a user of a file has to know, in words and JSON."""
        return {
            "classes": json.dumps(self.classes, ensure_ascii=False),
            "image_size": str(self.size),
            **PREPROCESSING,
            "padding_value": str(PAD_VALUE),
            "threshold": str(self.threshold),
            "variant": self.variant,
            "run_key": self.run_key,
            "weights_sha256": self.weights_sha256,
            "nasflow": version("nasflow"),
        }

    def example(self, batch: int = 1) -> Tensor:
        """Images of the right shape."""
        return torch.zeros(batch, 3, self.size, self.size)


def detect_with(network: nn.Module) -> Detect:
    """Make detections of a network as the evaluation makes them."""

    @torch.no_grad()
    def detect(images: Tensor) -> list[Tensor]:
        rows: list[Tensor] = select_boxes(network(images))
        return rows

    return detect
