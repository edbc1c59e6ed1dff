"""The runtime that detection runs ONNX files in: OpenVINO where it is installed, else onnxruntime.

Either computes with its default precision. OpenVINO's is bf16 where the processor has it.
"""

import statistics
import time
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from tasks.records import Int8Speed
from tasks.training.worker.formats import onnx_file
from tasks.training.worker.formats.onnx_file import Run
from tasks.training.worker.loop.latency import seconds_of_rounds
from tasks.training.worker.runtime.device import machine_name

PACKAGE = "openvino" if find_spec("openvino") else "onnxruntime"
WARM_UP, ROUNDS, MAX_SECONDS = 3, 20, 5.0
"""Rounds that do not count, rounds, and seconds for them; chosen."""


def open_file(path: Path) -> Run:
    """Load a file whose inputs and outputs are those of ``onnx_file``."""
    return _open_in_openvino(path) if PACKAGE == "openvino" else onnx_file.open_run(path)


def speed_beside(path: Path, fp32_path: Path, images: Tensor) -> Int8Speed:
    """Time two files in turns, so that other work on the machine slows both.

    Args:
        path: The file in int8.
        fp32_path: The same network in fp32.
        images: One image.

    Returns:
        How long each takes.
    """
    runs = open_file(path), open_file(fp32_path)
    rounds: list[list[float]] = []

    def time_both() -> None:
        rounds.append([_seconds(run, images) for run in runs])

    counted = seconds_of_rounds(time_both, ROUNDS, WARM_UP, time.perf_counter, MAX_SECONDS)
    latency, fp32_latency = map(statistics.median, zip(*rounds[-len(counted) :], strict=True))
    return Int8Speed(
        runtime=f"{PACKAGE} {version(PACKAGE)}",
        machine=machine_name(),
        threads=torch.get_num_threads(),
        latency_ms=round(1000 * latency, 3),
        fp32_latency_ms=round(1000 * fp32_latency, 3),
    )


def _seconds(run: Run, images: Tensor) -> float:
    start = time.perf_counter()
    run(images)
    return time.perf_counter() - start


def _open_in_openvino(path: Path) -> Run:
    import openvino

    model = openvino.Core().compile_model(path, "CPU", {"INFERENCE_NUM_THREADS": torch.get_num_threads()})

    def run(images: Tensor) -> tuple[Tensor, Tensor]:
        outputs = model({onnx_file.IMAGES: images.numpy()})
        # The next run writes into the memory of these arrays.
        boxes, scores = (torch.from_numpy(outputs[name].copy()) for name in onnx_file.OUTPUTS)
        return boxes, scores

    return run
