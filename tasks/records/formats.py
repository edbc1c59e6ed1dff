"""Files of a model for those who use it, and how each was measured against the trained network. Plain data."""

from pydantic import Field

from tasks.records.base import Fraction, Part, Record, Sha256, StoredFile

FORMAT_FILES = {
    "pth": "model.pth",
    "onnx": "model.onnx",
    "onnx-nms": "model-nms.onnx",
    "onnx-int8": "model-int8.onnx",
}
"""File name by format, besides weights.safetensors. A format is added here and in the trainer's table of formats."""


class Agreement(Part):
    """How the detections of a file agree with those of the trained network in fp32, on the same images."""

    images: int = Field(ge=1, description="Number of images.")
    detections: int = Field(ge=0, description="Detections of either that the other one must have, too.")
    unmatched: int = Field(ge=0, description="How many of them the other one does not have.")
    map: Fraction = Field(description="mAP of the file, IoU 0.50:0.95.")
    map_difference: float = Field(ge=0, description="Difference to the mAP of the trained network.")
    box_difference: float = Field(
        ge=0, description="Largest difference of an edge, pixels of the network input; of detections that both have."
    )
    score_difference: float = Field(ge=0, description="Largest difference of a score, of detections that both have.")


class Int8Speed(Part):
    """How fast a file in int8 is beside the one in fp32, in the runtime that it was measured in."""

    runtime: str = Field(description="Runtime and its version; it computed with its default precision.")
    machine: str = Field(description="Processor that it ran on.")
    threads: int = Field(ge=1, description="Threads that it used.")
    latency_ms: float = Field(gt=0, description="Median time of one image, milliseconds.")
    fp32_latency_ms: float = Field(gt=0, description="The same of the file in fp32, measured in turns, milliseconds.")

    def gains_on(self, runtime: str, processor: str) -> bool:
        """Whether it is faster in a runtime on a processor; False where that was not measured.

        Args:
            runtime: Name of the runtime, openvino or onnxruntime, of whatever version.
            processor: Name of the processor.

        Returns:
            Whether the file in int8 takes less time than the one in fp32.
        """
        is_measured = (self.runtime.split()[0], self.machine.partition(", ")[0]) == (runtime, processor)
        return is_measured and self.latency_ms < self.fp32_latency_ms

    @property
    def in_words(self) -> str:
        """Such as ``one image takes 22.4 ms, 38.8 ms with onnx (openvino 2026.4.1, 2 threads of an AMD EPYC)``."""
        threads = f"{self.threads} thread{'' if self.threads == 1 else 's'}"
        return (
            f"one image takes {self.latency_ms:.1f} ms, {self.fp32_latency_ms:.1f} ms with onnx "
            f"({self.runtime}, {threads} of {self.machine})"
        )


class ExportedFormat(Part):
    """A file that the exporter wrote, and that agrees with the trained network."""

    name: str = Field(description="Name of the format: pth, onnx, onnx-nms or onnx-int8.")
    agreement: Agreement = Field(description="How it agrees with the trained network.")
    speed: Int8Speed | None = Field(default=None, description="How fast onnx-int8 is beside onnx; empty for others.")


class Export(Part):
    """formats.json of the exporter: what it wrote, and what may not be published."""

    exported: tuple[ExportedFormat, ...] = Field(description="Formats that agree with the trained network.")
    refused: dict[str, str] = Field(description="Why a format is not published, by its name.")


class ModelFormat(ExportedFormat):
    """A file of a model in the store."""

    file: StoredFile = Field(description="The file.")


class ModelFormats(Record):
    """formats.json of an evaluation: the files of a model that may be published."""

    run_key: Sha256 = Field(description="Key of the training run.")
    weights_sha256: Sha256 = Field(description="SHA-256 of the weights they were made from.")
    threshold: Fraction = Field(description="Confidence threshold that they name.")
    formats: tuple[ModelFormat, ...] = Field(description="Formats that agree with the trained network.")
    refused: dict[str, str] = Field(description="Why a format is not published, by its name.")
    seconds: float = Field(ge=0, description="Time of exporting and measuring, seconds.")

    @property
    def is_final(self) -> bool:
        """Whether another machine would not make more of them; what int8 does to mAP, it does on every machine."""
        return not self.refused.keys() - {"onnx-int8"}
