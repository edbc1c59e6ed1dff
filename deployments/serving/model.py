"""The model that serves: from the store or a file, loaded and tried before it is used."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from deployments.remote.models import find_named
from tasks.detection.detector import Detector
from tasks.detection.model_file import is_model_file
from tasks.detection.model_in_store import fetch_model
from tasks.detection.preprocess import DecodedImage
from tasks.detection.runtimes import Runtime, load
from tasks.errors import BadWeights
from tasks.settings import WorkSettings, from_environment
from tasks.storage.s3 import Store


@dataclass(frozen=True)
class ServedModel:
    """A loaded model."""

    detector: Detector
    name: str
    """``PROJECT/VERSION``, or the name of the file."""
    since: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def runtime(self) -> Runtime:
        """The loaded network."""
        return self.detector.runtime

    @property
    def project(self) -> str | None:
        """Project of the model, as far as it has one."""
        return self.runtime.model.project

    @property
    def version(self) -> int | None:
        """Version of the model, as far as it has one."""
        return self.runtime.model.version


Load = Callable[[ServedModel | None], ServedModel]
"""Gives the model to serve now: the present one, if it still is it."""


@dataclass(frozen=True)
class ModelSource:
    """Where a model comes from."""

    load: Load
    followed: bool
    """Whether another version may take its place."""


def source_of(model: str) -> ModelSource:
    """Where a model comes from that a person named.

    Args:
        model: ``PROJECT`` for its champion, ``PROJECT/VERSION``, ``PROJECT@ALIAS``, or an ONNX file.

    Returns:
        Its source; nothing is loaded yet.

    Raises:
        BadSettings: it is in the store, and the environment does not name one.
        BadWeights: by loading, if the file cannot be used.
    """
    if is_model_file(model):
        path = Path(model)
        return ModelSource(lambda _: load_and_try(path, path.name), followed=False)
    store, settings = Store.from_environment(), from_environment(WorkSettings)

    def load_published(present: ServedModel | None) -> ServedModel:
        version = find_named(store, model)
        name = f"{version.project}/{version.version}"
        if present and present.name == name:
            return present
        with TemporaryDirectory(prefix="nasflow-") as scratch:
            path = fetch_model(store, version, settings, Path(scratch))
            try:
                return load_and_try(path, name)
            except BadWeights as error:  # its file has another name each time, and nobody would find it
                raise BadWeights(str(error).replace(str(path), f"{name}, {path.name}")) from None

    return ModelSource(load_published, followed="/" not in model)


def load_and_try(path: Path, name: str) -> ServedModel:
    """Load a model file, and detect once on a blank image, so that what cannot compute never serves.

    Args:
        path: The file.
        name: What the model is called.

    Returns:
        The model.

    Raises:
        BadWeights: it is no such file.
    """
    runtime = load(path)
    detector, size = Detector(runtime, runtime.model.threshold), runtime.model.size
    detector.detect(DecodedImage(np.zeros((size, size, 3), np.uint8), size, size))
    return ServedModel(detector, name)
