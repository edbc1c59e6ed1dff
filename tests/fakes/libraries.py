"""Imports of super-gradients in the process of a test, which stays as it was."""

import contextlib
import importlib
import io
import logging
import os
import warnings
from pathlib import Path
from types import ModuleType
from unittest import mock

from tasks.training.worker.runtime.process import quiet_libraries


def imported(name: str, folder: Path) -> ModuleType:
    """Import one of the trainer's modules; super-gradients may log into ``folder``.

    super-gradients changes streams, environment, warnings and log handlers; all of them are restored.
    """
    handlers, level = logging.root.handlers[:], logging.root.level
    streams = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
    with mock.patch.dict(os.environ), warnings.catch_warnings(), streams[0], streams[1]:
        warnings.simplefilter("ignore")
        quiet_libraries(folder)
        module = importlib.import_module(name)
    for handler in set(logging.root.handlers) - set(handlers):
        logging.root.removeHandler(handler)
        handler.close()
    logging.root.setLevel(level)
    return module
