"""Contestants of ``bench_detect``: ``python -m tests.benchmarks.peers.detectors VERB FOLDER [IMAGES]``.

``prepare`` writes images, and a YOLO-NAS s as a checkpoint, as ONNX and as ONNX in int8; ``ultralytics_prepare`` has
ultralytics export its own networks for OpenVINO, with random weights. The other verbs detect, each in a process of its
own, and write ``VERB.json`` with images per second, without start-up and loading, and the number of detections.
"""

import json
import os
import sys
import time
from functools import partial
from pathlib import Path

SIZE, CLASSES, PER_IMAGE = 640, ("disc", "square"), 10
"""Side of the input, and detections that a network without training is made to have on an image."""
WARM_UP = 8


def prepare(folder: Path, count: int) -> None:
    """Write images of 640 pixels, and the same network for all."""
    import cv2
    import numpy as np

    from tasks.training.worker.runtime.process import quiet_libraries
    from tests.benchmarks.peers.images import draw_object

    random = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    for number in range(count):
        small = random.integers(60, 200, (SIZE // 8 * 3 // 4, SIZE // 8, 3), dtype=np.uint8)
        pixels = cv2.resize(small, (SIZE, SIZE * 3 // 4), interpolation=cv2.INTER_CUBIC)
        for place in range(5):
            side = int(random.integers(40, 150))
            x, y = (int(random.integers(length - side)) for length in (SIZE, SIZE * 3 // 4))
            draw_object(pixels, place, x, y, side, tuple(int(part) for part in random.integers(0, 256, 3)))
        cv2.imwrite(str(folder / "images" / f"{number:04d}.jpg"), pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])
    quiet_libraries(folder)
    import torch

    from tasks.training.worker.formats import onnx_file, onnx_int8_file, torch_file
    from tasks.training.worker.formats.network import TrainedNetwork
    from tasks.training.worker.model.network import build_network

    torch.manual_seed(0)
    network = build_network("s", len(CLASSES)).eval()
    padded = np.full((SIZE, SIZE, 3), 114, np.uint8)
    padded[: SIZE * 3 // 4] = cv2.imread(str(folder / "images" / "0000.jpg"))[:, :, ::-1]
    with torch.no_grad():
        scores = network(torch.from_numpy(padded.transpose(2, 0, 1)[None]).float() / 255)[0][1]
    threshold = float(scores.flatten().sort(descending=True).values[PER_IMAGE * 3])
    batch = torch.from_numpy(padded.transpose(2, 0, 1)[None]).float() / 255
    trained = TrainedNetwork(network, "s", CLASSES, SIZE, threshold, "0" * 64, "0" * 64, training_images=[batch])
    onnx_file.write(trained, folder / "model.onnx")
    onnx_int8_file.write(trained, folder / "model-int8.onnx")
    torch_file.write(trained, folder / "model.pth")
    (folder / "threshold").write_text(str(threshold))


def super_gradients(folder: Path, paths: list[Path]) -> dict[str, float]:
    """``predict`` of super-gradients, as its documentation has it: detections in memory, nothing drawn or written."""
    from tasks.training.worker.runtime.process import quiet_libraries

    quiet_libraries(folder)
    from super_gradients.training import models

    network = models.get("yolo_nas_s", num_classes=len(CLASSES), checkpoint_path=str(folder / "model.pth")).eval()
    names, threshold = [str(path) for path in paths], float((folder / "threshold").read_text())
    list(network.predict(names[:WARM_UP], conf=threshold))
    start = time.monotonic()
    found = sum(len(one.prediction.labels) for one in network.predict(names, conf=threshold))
    return {"images_per_second": len(paths) / (time.monotonic() - start), "detections": found}


def bare(folder: Path, paths: list[Path]) -> dict[str, float]:
    """A loop on OpenVINO's asynchronous queue with the same network: detections in memory, nothing drawn or written."""
    import cv2
    import numpy as np
    import openvino

    core = openvino.Core()
    network = core.read_model(folder / "model.onnx")
    network.reshape([1, 3, SIZE, SIZE])
    compiled = core.compile_model(network, "CPU", {"PERFORMANCE_HINT": "THROUGHPUT"})
    queue, threshold, found = openvino.AsyncInferQueue(compiled), float((folder / "threshold").read_text()), []

    def take(request, _):
        boxes, scores = (request.get_tensor(name).data[0] for name in ("boxes", "scores"))
        anchors, classes = np.nonzero(scores >= threshold)
        corners = boxes[anchors]
        sides = np.hstack([corners[:, :2], corners[:, 2:] - corners[:, :2]]).astype(np.float64)
        indices, best = classes.astype(np.int32), scores[anchors, classes]
        kept = cv2.dnn.NMSBoxesBatched(sides, best, indices, 0.0, 0.7)  # type: ignore[arg-type]  # it takes arrays, too
        found.append(len(kept))

    def run(some: list[Path]) -> None:
        for path in some:
            pixels = cv2.imread(str(path))
            factor = SIZE / max(pixels.shape[:2])
            pixels = cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
            padded = np.full((SIZE, SIZE, 3), 114, np.uint8)
            padded[: pixels.shape[0], : pixels.shape[1]] = pixels
            queue.start_async({0: cv2.dnn.blobFromImage(padded, 1 / 255, swapRB=True)})
        queue.wait_all()

    queue.set_callback(take)
    run(paths[:WARM_UP])
    found.clear()
    start = time.monotonic()
    run(paths)
    return {"images_per_second": len(paths) / (time.monotonic() - start), "detections": sum(found)}


def ultralytics_prepare(folder: Path) -> None:
    """Have ultralytics export networks of two sizes for OpenVINO: random weights, since only time is measured."""
    os.environ["YOLO_AUTOINSTALL"] = "false"
    os.chdir(folder)
    from ultralytics import YOLO

    for size in "sm":
        YOLO(f"yolo11{size}.yaml").export(format="openvino", imgsz=SIZE)


def ultralytics(folder: Path, paths: list[Path], size: str) -> dict[str, float]:
    """``predict`` of ultralytics with its own OpenVINO export: detections in memory, nothing drawn or written."""
    from ultralytics import YOLO

    network = YOLO(str(folder / f"yolo11{size}_openvino_model"), task="detect")
    names = [str(path) for path in paths]

    def run(some: list[str]) -> int:
        return sum(len(one.boxes) for one in network.predict(some, stream=True, verbose=False, imgsz=SIZE))

    run(names[:WARM_UP])
    start = time.monotonic()
    found = run(names)
    return {"images_per_second": len(paths) / (time.monotonic() - start), "detections": found}


def nasflow(folder: Path, paths: list[Path], file: str = "model.onnx") -> dict[str, float]:
    """What ``nasflow detect`` does: annotated images, COCO JSON, CSV and gallery on disk at the end."""
    from tasks.detection.detector import Detector
    from tasks.detection.image_files import find_images
    from tasks.detection.outputs.folder import OUTPUTS
    from tasks.detection.run import detect_images
    from tasks.detection.runtimes import load
    from tasks.local.output_folder import output_folder

    runtime = load(folder / file)
    detector, seconds = Detector(runtime, runtime.model.threshold), 0.0
    for some in (paths[:WARM_UP], paths):
        with output_folder(folder / "out", OUTPUTS) as out:
            detected = detect_images(detector, find_images([str(one) for one in some]), out, "Bench", lambda *_: None)
            seconds = detected.seconds
    return {"images_per_second": len(paths) / seconds, "detections": detected.totals.detections}


def main() -> None:
    """Run a verb."""
    verb, folder = sys.argv[1], Path(sys.argv[2])
    if verb == "prepare":
        prepare(folder, int(sys.argv[3]))
        return
    if verb == "ultralytics_prepare":
        ultralytics_prepare(folder)
        return
    paths = sorted((folder / "images").iterdir())
    if len(sys.argv) > 3:
        paths = (paths * (int(sys.argv[3]) // len(paths) + 1))[: int(sys.argv[3])]
    contestant = {
        "super_gradients": super_gradients,
        "bare": bare,
        "nasflow": nasflow,
        "nasflow_int8": partial(nasflow, file="model-int8.onnx"),
        "ultralytics_s": partial(ultralytics, size="s"),
        "ultralytics_m": partial(ultralytics, size="m"),
    }[verb]
    (folder / f"{verb}.json").write_text(json.dumps(contestant(folder, paths)))


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # super-gradients and runtimes leave threads
