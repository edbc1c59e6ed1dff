"""Models of a study with chosen numbers: no store, no training."""

import hashlib

from tasks.records import Gain, Measurement, SettingsStudy, StudiedModel, Trial, TrialSettings
from tasks.studies.recommendation import RULE, recommend

SOURCES = 12
T = 2.201
"""The 97.5 % quantile of Student's t with 11 degrees of freedom, from a printed table."""


def settings(**changes):
    values = {
        "variant": "s", "epochs": 30, "image_size": 320, "batch_size": 8, "learning_rate": 0.002,
        "augmentation": "standard",
    }  # fmt: skip
    return TrialSettings(**{**values, **changes})


def model(value, behind=0.0, error=0.0, latency_ms=10.0, half=0.05, **changes):
    """A model with this mAP, and this loss to the best with its standard error; the best has no loss and no error."""
    name, settings_of = changes.pop("name", None), settings(**changes.pop("settings", {}))
    gain = None
    if behind or error:
        interval = (-behind - T * error, -behind + T * error)
        gain = Gain(before=min(1.0, value + behind), after=value, gain=-behind, ci95=interval)
    around = None if half is None else (max(0.0, value - half), min(1.0, value + half))
    run_key = hashlib.sha256(f"{value} {name} {latency_ms}".encode()).hexdigest()
    values = {
        "name": name or settings_of.in_short, "settings": settings_of, "run_key": run_key,
        "map": Measurement(value=value, ci95=around), "behind": gain, "valid_map": value, "best_epoch": 25,
        "still_rising": False, "seconds": 300, "device": "cpu bf16", "latency_ms": latency_ms,
        "parameters": 19_000_000, "file_bytes": 76_000_000, "report": "runs/x/report.json",
    }  # fmt: skip
    return StudiedModel(**{**values, **changes})


def study(models, left_out=(), project="pets"):
    """The outcome of a study of these models."""
    chosen = recommend(models, left_out, SOURCES)
    return SettingsStudy(
        project=project, snapshot_digest="d" * 64, split="test", sources=SOURCES, models=tuple(models),
        left_out=tuple(left_out), recommended=chosen.model.run_key if chosen.model else None, sentence=chosen.sentence,
        rule=RULE, caveats=chosen.caveats,
    )  # fmt: skip


def grid():
    """Twelve models of all sizes, two input sizes and two numbers of epochs, and a trial that failed."""
    models: list[StudiedModel] = []
    for size, (variant, millions) in enumerate((("s", 19.0), ("m", 51.1), ("l", 66.9))):
        for image_size in (320, 640):
            for epochs in (30, 100):
                loss = round(
                    0.12 - 0.02 * size - (0.04 if image_size == 640 else 0) - (0.04 if epochs == 100 else 0), 6
                )
                models.append(
                    model(
                        0.62 - loss, loss, 0.02 if loss else 0.0, latency_ms=(6 + 9 * size) * (image_size / 320) ** 2,
                        settings={"variant": variant, "image_size": image_size, "epochs": epochs},
                        parameters=int(millions * 1e6), file_bytes=int(millions * 4e6), seconds=epochs * 9,
                        run_key=f"{len(models):064x}",
                    )
                )  # fmt: skip
    models.sort(key=lambda one: -one.map.value)
    failed = Trial(number=13, settings=settings(variant="l"), status="failed", why="CUDA out of memory <b>here</b>")
    return study(models, [failed])
