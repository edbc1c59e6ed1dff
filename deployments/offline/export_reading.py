"""Reading an export on this machine, with a progress bar."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deployments.terminal.console import progress_bar
from tasks.labeling.inspection import Inspection, inspect_export
from tasks.records import LabelRules


@contextmanager
def read_export(export: Path, rules: LabelRules) -> Iterator[Inspection]:
    """Read and check an export. The files that the inspection names exist until the end of the block.

    Raises:
        BadExport: it is no export, or cannot be read.
        BadRequest: the rules do not fit the labels.
    """
    text = f"reading {export.name}"
    with tempfile.TemporaryDirectory(prefix="nasflow-") as scratch:
        with progress_bar(text) as bar:
            inspection = inspect_export(export, Path(scratch), lambda done, total: bar.show(done, total, text), rules)
        yield inspection
