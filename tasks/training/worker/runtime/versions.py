"""Versions of what computes a training run, for doing it again."""

import platform
from importlib.metadata import version

PACKAGES = ("nasflow", "torch", "torchvision", "super-gradients", "lightning-fabric", "numpy", "opencv-python-headless")


def versions() -> dict[str, str]:
    """Version by package, Python's too."""
    return {"python": platform.python_version(), **{package: version(package) for package in PACKAGES}}
