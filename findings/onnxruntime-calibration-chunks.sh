#!/usr/bin/env bash
# onnxruntime 1.32.0: CalibMaxIntermediateOutputs calibrates on the samples after the last full chunk, and on no others.
#
# One would guess: with this option of quantize_static, MinMax calibration computes a range for each chunk of so many
#   samples and merges the ranges: the docstring says "the same result as all computing with None", with less memory.
# Seen: a full chunk is thrown away before its range is computed. Of ten samples in chunks of four, the last two alone
#   make the ranges. Of eight, none is left, and the error says "No data is collected.". A chunk that never gets full
#   does no harm. CalibStridedMinMax, the other option that works in chunks, merges them.
# Why it matters: one sets it where the calibration images are too many for the memory. The model is written without an
#   error or a warning, with the ranges of a few images, and saturates on all that is larger.
# It is known: microsoft/onnxruntime, issue 18893 and pull request 32577.
set -euo pipefail
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
python3.11 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6

export HOME=$here TMPDIR=$here
cd "$here"
"$here/venv/bin/python" - <<'PYTHON'
import logging
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, quantize_static

print("onnxruntime", onnxruntime.__version__, "onnx", onnx.__version__, "numpy", np.__version__)
logging.getLogger().setLevel(logging.ERROR)  # each call advises to pre-process the model first
LARGEST_FIRST = (100, 50, 20, 10, 5, 4, 3, 2, 1, 1)


class Samples(CalibrationDataReader):
    """Samples of the values n and -n, for the first so many numbers n."""

    def __init__(self, count):
        self.samples = [{"x": np.array([[n, -n]], np.float32)} for n in LARGEST_FIRST[:count]]
        self.set_range(0, count)

    def __len__(self):
        return len(self.samples)

    def set_range(self, start_index, end_index):
        self.rest = iter(self.samples[start_index:end_index])

    def get_next(self):
        return next(self.rest, None)


x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2]) for name in "xy")
weights = numpy_helper.from_array(np.eye(2, dtype=np.float32), "w")
graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "same", [x], [y], [weights])
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "float.onnx")


def calibrate(count, **options):
    """The scale of x, and what the quantized model makes of 100, which the float model leaves as it is."""
    try:
        quantize_static(
            "float.onnx", "int8.onnx", Samples(count), calibrate_method=CalibrationMethod.MinMax, extra_options=options
        )
    except ValueError as error:
        result = str(error)
    else:
        tensors = {one.name: numpy_helper.to_array(one) for one in onnx.load("int8.onnx").graph.initializer}
        session = onnxruntime.InferenceSession("int8.onnx", providers=["CPUExecutionProvider"])
        (output,) = session.run(None, {"x": np.array([[100, -100]], np.float32)})
        result = round(float(tensors["x_scale"]), 4), round(float(output[0, 0]))
    told = result if isinstance(result, str) else f"scale {result[0]:.4f}, 100 becomes {result[1]}"
    print(f"{count:2} samples, {str(options or 'no option') + ':':36}", told)
    return result


whole = calibrate(10)
in_fours = calibrate(10, CalibMaxIntermediateOutputs=4)
in_one = calibrate(10, CalibMaxIntermediateOutputs=11)
strided = calibrate(10, CalibStridedMinMax=2)
whole_of_eight = calibrate(8)
eight_in_fours = calibrate(8, CalibMaxIntermediateOutputs=4)
merged = (round(200 / 255, 4), 100)
of_last_two = (round(2 / 255, 4), 1)
if {whole, in_one, strided, whole_of_eight} != {merged}:
    sys.exit("CHANGED: the ranges without chunks, or those of CalibStridedMinMax, are not those of all samples")
if in_fours != of_last_two or eight_in_fours != "No data is collected.":
    sys.exit("CHANGED: full chunks count, or something else is lost")
print("as described")
PYTHON
