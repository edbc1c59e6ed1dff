"""The paths of the server. The event loop reads and answers; threads compute."""

import importlib.metadata
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException

from deployments.serving.answers import (
    DetectAnswer,
    DetectionAnswer,
    ErrorAnswer,
    HealthAnswer,
    Refused,
    VersionAnswer,
    unavailable,
)
from deployments.serving.body import FIELD, FORM, check_kind, image_in, read_body
from deployments.serving.metrics import Metrics
from deployments.serving.model import ServedModel
from deployments.serving.settings import ServeSettings
from deployments.serving.watch import Watch
from deployments.serving.work import Work
from tasks.images.decoding import UnreadableImage

LOADING_SECONDS = 5
"""After how long a client may ask again whether there is a model."""
MAX_READING = 256
"""Requests whose bodies are read at a time; with the largest image, this bounds the memory."""
BINARY = {"type": "string", "format": "binary"}
REQUEST_BODY = {
    "required": True,
    "content": {
        **{kind: {"schema": BINARY} for kind in ("image/jpeg", "image/png", "image/*")},
        FORM: {"schema": {"type": "object", "properties": {FIELD: BINARY}, "required": [FIELD]}},
    },
}
REFUSALS = {
    400: "A threshold or a form that makes no sense.", 401: "The key is missing or wrong.",
    408: "The image did not come.", 413: "The image is too large.", 415: "Another Content-Type than that of an image.",
    422: "The image cannot be read.", 503: "Too many images wait, or no model is loaded yet.",
}  # fmt: skip

Served = Callable[[], ServedModel | None]
Threshold = Annotated[
    float | None, Query(ge=0, le=1, allow_inf_nan=False, description="Confidence threshold; by default the model's.")
]
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))]


def create_app(served: Served, settings: ServeSettings, metrics: Metrics) -> FastAPI:
    """Make the application.

    Args:
        served: Gives the present model, or None while there is none.
        settings: How it is served.
        metrics: Where requests are counted.

    Returns:
        The application, as ASGI servers run it.
    """
    service = _Service(served, settings, metrics)
    app: FastAPI = FastAPIOffline(
        redoc_url=None, title="nasflow", version=importlib.metadata.version("nasflow"), redirect_slashes=False,
        description="Detects objects on images.", swagger_ui_parameters={"validatorUrl": None},
    )  # fmt: skip
    locked = [Depends(service.check_key)]
    app.add_api_route(
        "/detect", service.detect, methods=["POST"], dependencies=locked, openapi_extra={"requestBody": REQUEST_BODY},
        response_model=DetectAnswer, responses=_refusals(*REFUSALS),
    )  # fmt: skip
    app.add_api_route("/health", service.health, response_model=HealthAnswer)
    app.add_api_route("/ready", service.ready, response_model=HealthAnswer, responses=_refusals(503))
    app.add_api_route(
        "/version", service.version, dependencies=locked, response_model=VersionAnswer, responses=_refusals(401, 503)
    )
    app.add_api_route(
        "/metrics", service.metrics, dependencies=locked, response_class=Response, responses=_refusals(401)
    )
    app.add_exception_handler(Refused, _refuse)
    app.add_exception_handler(HTTPException, _refuse_path)
    app.add_exception_handler(RequestValidationError, _refuse_parameter)
    app.add_middleware(Watch, metrics=metrics, paths=[getattr(route, "path", "") for route in app.routes])
    return app


class _Service:
    """What the paths do."""

    def __init__(self, served: Served, settings: ServeSettings, metrics: Metrics) -> None:
        self._served, self._settings, self._metrics = served, settings, metrics
        self._key = settings.api_key.get_secret_value().encode()
        self._work = Work(settings.queue)
        self._reading = 0
        metrics.watch_queue(lambda: self._work.waiting)
        metrics.watch_model(served)

    async def check_key(self, credentials: Credentials) -> None:
        given = credentials.credentials.encode() if credentials else b""
        if self._key and not secrets.compare_digest(given, self._key):
            what = "wrong key" if given else "no key"
            raise Refused(401, f"{what}; send Authorization: Bearer KEY", {"WWW-Authenticate": "Bearer"})

    async def detect(self, request: Request, threshold: Threshold = None) -> DetectAnswer:
        """Detect objects on an image, sent as the body or as a file of a form."""
        kind = request.headers.get("content-type", "")
        check_kind(kind)
        self._work.check(self._model().runtime.parallel)  # before the image is sent
        body = await self._read(request)
        model = self._model()
        answer = await self._work.run(partial(_detect, model, body, kind, threshold), model.runtime.parallel)
        self._metrics.detected()
        return answer

    async def _read(self, request: Request) -> bytes:
        if self._reading >= MAX_READING:
            raise unavailable(f"{self._reading} images are being sent already; ask again later", 1)
        self._reading += 1
        try:
            return await read_body(request, round(self._settings.max_image_mb * 1e6), self._settings.timeout)
        finally:
            self._reading -= 1

    def _model(self) -> ServedModel:
        model = self._served()
        if model is None:
            raise unavailable("no model is loaded yet; ask again later", LOADING_SECONDS)
        return model

    async def health(self) -> HealthAnswer:
        """Whether the server is there."""
        return HealthAnswer(ok=True)

    async def ready(self) -> HealthAnswer:
        """Whether a model is loaded."""
        self._model()
        return HealthAnswer(ok=True)

    async def version(self) -> VersionAnswer:
        """What serves."""
        model = self._model()
        known = model.runtime.model
        return VersionAnswer(
            nasflow=importlib.metadata.version("nasflow"), model=model.name, project=model.project,
            version=model.version, weights_sha256=known.weights_sha256, classes=list(known.classes),
            threshold=known.threshold, image_size=known.size, device=model.runtime.device, since=model.since,
        )  # fmt: skip

    async def metrics(self) -> Response:
        """Numbers for Prometheus."""
        return Response(self._metrics.text(), media_type=CONTENT_TYPE_LATEST)


def _detect(model: ServedModel, body: bytes, kind: str, threshold: float | None) -> DetectAnswer:
    """Decode and detect, in a thread."""
    began = time.monotonic()
    detector = model.detector if threshold is None else replace(model.detector, threshold=threshold)
    try:
        image = detector.decode(image_in(body, kind))
    except UnreadableImage as error:
        raise Refused(422, f"the image cannot be read: {error}") from None
    classes = detector.runtime.model.classes
    found = [
        DetectionAnswer(class_name=classes[one.class_index], score=one.score, bbox=one.bbox)
        for one in detector.detect(image)
    ]
    return DetectAnswer(
        model=model.name, project=model.project, version=model.version, width=image.width, height=image.height,
        threshold=detector.threshold, detections=found, seconds=round(time.monotonic() - began, 4),
    )  # fmt: skip


def _refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": ErrorAnswer, "description": REFUSALS[status]} for status in statuses}


async def _refuse(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)  # noqa: S101, for mypy
    return _error(error.status, str(error), error.headers)


async def _refuse_path(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101, for mypy
    words = {404: "there is nothing here", 405: f"{request.method} is not possible here"}
    return _error(
        error.status_code, f"{words.get(error.status_code, error.detail)}; /docs has all paths", error.headers
    )


async def _refuse_parameter(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101, for mypy
    first = error.errors()[0]
    return _error(400, f"{first['loc'][-1]} {str(first.get('input'))[:80]!r}: {first['msg']}")


def _error(status: int, message: str, headers: Any = None) -> Response:
    return JSONResponse({"error": " ".join(message.split())}, status, headers)
