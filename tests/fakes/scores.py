"""Made-up scores, for tests that are not about them."""

from typing import Any

from tasks.records import Scores, Speed, StoredFile

FILE = StoredFile(key="runs/x", sha256="f" * 64, size=1)


def scores(value: float = 0.5, **changes: Any) -> Scores:
    """Scores with one mAP for all."""
    values: dict[str, Any] = {
        "map": value, "map50": value, "map75": value, "map_small": None, "map_medium": None,
        "map_large": value, "ar": value,
        "precision": 0.0, "recall": 0.0, "f1": 0.0, "threshold": 0.0, "classes_measured": 1, "detections_limit": 100,
        "min_score": None, "per_class": {},
    }  # fmt: skip
    return Scores(**{**values, **changes})


def speed(latency_ms: float = 20.0, file_bytes: int = 76_000_000) -> Speed:
    """Speed of a model on a processor."""
    return Speed(
        device="cpu fp32", latency_ms=latency_ms, latency_p95_ms=latency_ms * 1.5, throughput=60.0, batch=16,
        parameters=19_000_000, file_bytes=file_bytes,
    )  # fmt: skip
