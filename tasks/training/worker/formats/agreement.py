"""Whether the detections of a file agree with those of the trained network. Detections are rows of ``Detect``."""

from dataclasses import dataclass

import torch
from torch import Tensor

from tasks.records import Agreement

# These are chosen. What a file in int8 differs by was measured in decision 0064.
MAX_MAP_DIFFERENCE = 1e-3
MAX_MAP_DIFFERENCE_INT8 = 5e-3
MAX_BOX_DIFFERENCE = 0.5
"""Pixels of the network input."""
MAX_SCORE_DIFFERENCE = 1e-3
MAX_UNMATCHED_SHARE = 0.01
"""Rounding may decide which one of two boxes with nearly the same score suppresses the other."""
MIN_SCORE = 0.05
"""Detections from here on must be in both. Far below, rounding decides which ones are kept at all."""


@dataclass
class Differences:
    """Differences between detections of a file and of the trained network, over images."""

    images: int = 0
    detections: int = 0
    unmatched: int = 0
    box: float = 0.0
    score: float = 0.0

    def add(self, rows: Tensor, expected: Tensor) -> None:
        """Compare the detections of one image, each with the most similar one of the other.

        Args:
            rows: Detections of the file.
            expected: Those of the trained network.
        """
        self.images += 1
        for some, others in ((rows, expected), (expected, rows)):
            some = some[some[:, 4] >= MIN_SCORE]
            boxes, scores = _differences(some, others)
            fits = (boxes <= MAX_BOX_DIFFERENCE) & (scores <= MAX_SCORE_DIFFERENCE)
            self.detections += len(some)
            self.unmatched += int((~fits).sum())
            if fits.any():
                self.box = max(self.box, float(boxes[fits].max()))
                self.score = max(self.score, float(scores[fits].max()))

    def agreement(self, file_map: float, network_map: float) -> Agreement:
        """All differences together.

        Args:
            file_map: mAP of the file.
            network_map: mAP of the trained network.

        Returns:
            How the file agrees with the trained network.
        """
        return Agreement(
            images=self.images,
            detections=self.detections,
            unmatched=self.unmatched,
            map=file_map,
            map_difference=abs(file_map - network_map),
            box_difference=self.box,
            score_difference=self.score,
        )


def disagreement(agreement: Agreement) -> str | None:
    """Why a file may not be published, in words; None if it may."""
    if agreement.unmatched > MAX_UNMATCHED_SHARE * agreement.detections:
        return (
            f"{agreement.unmatched} of {agreement.detections} detections differ from the trained network's by more "
            f"than {MAX_BOX_DIFFERENCE} px or {MAX_SCORE_DIFFERENCE} of score, on {agreement.images} images"
        )
    return _map_disagreement(agreement, MAX_MAP_DIFFERENCE)


def disagreement_int8(agreement: Agreement) -> str | None:
    """The same for a file in int8, which moves every box and score a little: its mAP alone counts."""
    return _map_disagreement(agreement, MAX_MAP_DIFFERENCE_INT8)


def _map_disagreement(agreement: Agreement, limit: float) -> str | None:
    if agreement.map_difference <= limit:
        return None
    return (
        f"its mAP is {agreement.map:.4f}, {agreement.map_difference:.4f} from the trained network's, on "
        f"{agreement.images} images"
    )


def _differences(some: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """For each row the differences of box and score to the most similar row of its class; infinite without one."""
    if not len(others):
        return torch.full((len(some),), torch.inf), torch.full((len(some),), torch.inf)
    boxes = (some[:, None, :4] - others[None, :, :4]).abs().amax(dim=2)
    scores = (some[:, None, 4] - others[None, :, 4]).abs()
    other_class = some[:, None, 5] != others[None, :, 5]
    unlike = torch.maximum(boxes / MAX_BOX_DIFFERENCE, scores / MAX_SCORE_DIFFERENCE)
    best = unlike.masked_fill(other_class, torch.inf).argmin(dim=1, keepdim=True)
    no_match = other_class.gather(1, best)[:, 0]
    box, score = boxes.gather(1, best)[:, 0], scores.gather(1, best)[:, 0]
    return box.masked_fill(no_match, torch.inf), score.masked_fill(no_match, torch.inf)
