"""Libraries that could tell their makers of their use are kept from it, and leave nothing in the home folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

LOAD = """
from pathlib import Path
from tasks.detection.runtimes import load
from tasks.errors import BadWeights
try:
    load(Path("broken.onnx"), "onnxruntime")
except BadWeights:
    print("refused")
"""
TRAINER = """
from pathlib import Path
from tasks.training.worker.runtime.process import quiet_libraries
quiet_libraries(Path("logs"))
import onnxruntime
"""


@pytest.mark.parametrize("code", [LOAD, TRAINER], ids=["detection", "trainer"])
def test_onnxruntime_keeps_no_number_of_this_machine(tmp_path, code):
    (tmp_path / "broken.onnx").write_bytes(b"no network")
    (tmp_path / "home").mkdir()
    others = {name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "XDG_"))}
    environment = {**others, "HOME": str(tmp_path / "home"), "PYTHONPATH": str(Path.cwd())}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True, timeout=120)
    written = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert written == ["broken.onnx"]
