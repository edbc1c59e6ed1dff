"""What computes the network: OpenVINO where it is installed, else onnxruntime. Both from a file alone."""

import importlib.util
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal

import cv2
import numpy as np

from tasks.detection.model_file import INPUT, OUTPUTS, Model
from tasks.errors import BadWeights
from tasks.records import DetectionPrecision

RuntimeName = Literal["openvino", "onnxruntime"]
READY = 1
"""Inputs that wait beside those that are computed, so that the network has the next one at once."""
Network = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From pixels uint8 BGR ``[S, S, 3]`` to boxes ``[N, 4]`` xyxy in pixels of the input, and scores ``[N, C]``.

Threads may call it at once; those beyond the number that is computed or ready wait.
"""


@dataclass(frozen=True)
class Runtime:
    """A loaded network."""

    model: Model
    network: Network
    device: str
    """What computes it, in words."""
    parallel: int
    """Calls that are computed at once."""


def default_runtime() -> RuntimeName:
    """OpenVINO where it is installed, since it is faster on processors."""
    return "openvino" if importlib.util.find_spec("openvino") else "onnxruntime"


def load(path: Path, runtime: RuntimeName | None = None, precision: DetectionPrecision | None = None) -> Runtime:
    """Load a model file.

    Args:
        path: An ONNX file that nasflow exported.
        runtime: What computes it; None for the best that is installed.
        precision: Number format; None for what the processor computes fastest. onnxruntime knows fp32 alone.

    Returns:
        The loaded network.

    Raises:
        BadWeights: it is no such file.
    """
    loaders = {"openvino": _load_openvino, "onnxruntime": _load_onnxruntime}
    return loaders[runtime or default_runtime()](path, precision)


def _load_openvino(path: Path, precision: DetectionPrecision | None) -> Runtime:
    import openvino
    from openvino import properties
    from openvino.preprocess import ColorFormat, PrePostProcessor

    model, core = Model.from_file(path), openvino.Core()
    try:
        network = core.read_model(path)
    except RuntimeError as error:
        raise _unreadable(path, error) from None
    _check_ports([port.any_name for port in (*network.inputs, *network.outputs)], path)
    network.reshape([1, 3, model.size, model.size])
    steps = PrePostProcessor(network)
    steps.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC")).set_color_format(
        ColorFormat.BGR
    )
    steps.input().model().set_layout(openvino.Layout("NCHW"))
    steps.input().preprocess().convert_element_type(openvino.Type.f32).convert_color(ColorFormat.RGB).scale(255.0)
    options: dict[Any, Any] = {
        properties.hint.performance_mode(): properties.hint.PerformanceMode.THROUGHPUT,
        properties.hint.enable_cpu_pinning(): False,  # a thread that may not move waits for whatever else its core does
    }
    if precision:
        kind = openvino.Type.bf16 if precision == "bf16" else openvino.Type.f32
        options[properties.hint.inference_precision()] = kind
    compiled = core.compile_model(steps.build(), "CPU", options)
    used = compiled.get_property(properties.hint.inference_precision()).get_type_name()
    parallel = int(compiled.get_property(properties.optimal_number_of_infer_requests()))
    idle: SimpleQueue[Any] = SimpleQueue()
    for _ in range(parallel + READY):
        idle.put(compiled.create_infer_request())

    def run(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        request = idle.get()
        try:
            request.infer({0: pixels[None]}, share_inputs=True, share_outputs=True)
            boxes, scores = (request.get_tensor(name).data[0].copy() for name in OUTPUTS)
        finally:
            idle.put(request)
        return boxes, scores

    # One inference before the first image: without it OpenVINO 2026.4.1 hung in one of some hundred runs.
    run(np.zeros((model.size, model.size, 3), np.uint8))
    device = (
        f"{_processor(core)}, OpenVINO {openvino.__version__.partition('-')[0]}, {model.number_format or _short(used)}"
    )
    return Runtime(model, run, device, parallel)


def _load_onnxruntime(path: Path, precision: DetectionPrecision | None) -> Runtime:
    # Else it tells its maker of each start, under a number of this machine that it keeps in the home folder.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    if precision == "bf16":
        raise BadWeights(f"{path}: onnxruntime computes it in fp32 alone; leave --precision out")
    model, options = Model.from_file(path), onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # each thread that calls computes an image of its own
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001, its errors have no common type
        raise _unreadable(path, error) from None
    _check_ports([port.name for port in (*session.get_inputs(), *session.get_outputs())], path)
    parallel = len(os.sched_getaffinity(0))
    free = threading.Semaphore(parallel + READY)

    def run(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        images = cv2.dnn.blobFromImage(pixels, 1 / 255, swapRB=True)
        with free:
            boxes, scores = session.run(list(OUTPUTS), {INPUT: images})
        return boxes[0], scores[0]

    used = model.number_format or "fp32"
    return Runtime(model, run, f"CPU, onnxruntime {onnxruntime.__version__}, {used}", parallel)


def _check_ports(names: list[str], path: Path) -> None:
    if names != [INPUT, *OUTPUTS]:
        raise BadWeights(f"{path}: has {', '.join(names)}, not {', '.join((INPUT, *OUTPUTS))}; export the model again")


def _unreadable(path: Path, error: Exception) -> BadWeights:
    words = " ".join(str(error).split())[:200]
    return BadWeights(f"{path}: cannot be read as ONNX ({words}); get it again with `nasflow models pull`")


def _processor(core: Any) -> str:
    return " ".join(str(core.get_property("CPU", "FULL_DEVICE_NAME")).split())


def _short(openvino_name: str) -> str:
    return {"f32": "fp32", "f16": "fp16"}.get(openvino_name, openvino_name)
