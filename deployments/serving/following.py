"""The present model, and a thread that follows its alias."""

import logging
import threading
import time
from collections.abc import Callable

from deployments.serving.metrics import Metrics
from deployments.serving.model import ModelSource, ServedModel
from tasks.errors import TransientError

logger = logging.getLogger(__name__)

END_SECONDS = 10
"""How long the end of the server waits for a look that is under way."""


class Following:
    """Looks for the model until it is loaded, and then, if it is followed, for a newer one.

    A new model is loaded beside the present one, and takes its place in one assignment. Whatever goes wrong, the
    present one stays. Only when there is none yet, and it would not help to try again, is it given up.
    """

    def __init__(self, source: ModelSource, pause: float, metrics: Metrics) -> None:
        self.present: ServedModel | None = None
        self.error: Exception | None = None
        """Why there will be no model."""
        self._source, self._pause, self._metrics = source, pause, metrics
        self._stop = threading.Event()
        self._last_failure = ""

    def start(self, on_first: Callable[[ServedModel], None], on_given_up: Callable[[], None]) -> None:
        """Start the thread.

        Args:
            on_first: Called in the thread when the first model is there.
            on_given_up: Called in the thread when there will be none; ``error`` says why.
        """
        self._on_first, self._on_given_up = on_first, on_given_up
        self._thread = threading.Thread(target=self._run, name="follow", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread. One that still loads a model ends with the process."""
        self._stop.set()
        self._thread.join(END_SECONDS)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._look()
            if self.error or (self.present and not self._source.followed):
                return
            self._stop.wait(self._pause)

    def _look(self) -> None:
        began = time.monotonic()
        try:
            model = self._source.load(self.present)
        except Exception as error:  # noqa: BLE001, whatever it is, the present model goes on
            self._metrics.looked("failed")
            self._failed(error)
            return
        if self._last_failure:
            logger.info("the model could be looked for again")
            self._last_failure = ""
        if model is self.present:
            self._metrics.looked("same")
            return
        first, self.present = self.present is None, model
        self._metrics.looked("loaded")
        logger.info("%s serves, loaded in %.1f s: %s", model.name, time.monotonic() - began, model.runtime.device)
        if first:
            self._on_first(model)

    def _failed(self, error: Exception) -> None:
        if not self.present and not isinstance(error, TransientError):
            self.error = error
            self._on_given_up()
            return
        failure = " ".join(f"{type(error).__name__}: {error}".split())
        if failure != self._last_failure:  # once, not every few seconds
            goes_on = f"{self.present.name} goes on serving" if self.present else "nothing serves yet"
            logger.warning("%s, tried again every %g s: %s", goes_on, self._pause, failure)
            self._last_failure = failure
