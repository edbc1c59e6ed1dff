"""Which stores this machine has tried lately, so that not every run tries its store again."""

import time
from contextlib import suppress
from pathlib import Path

from tasks.local.files import publish_bytes
from tasks.storage.probe import probe
from tasks.storage.s3 import Store

REMEMBERED_SECONDS = 86_400.0
"""What a store can do changes when it is updated, or set up anew; a day later that is found out."""


def probe_daily(store: Store, work_dir: Path) -> None:
    """Try the store, unless this machine has tried it within a day with these settings, and found it good.

    Args:
        store: The store.
        work_dir: The work folder of this machine, which remembers.

    Raises:
        NasflowError: what ``probe`` raises; that is not remembered.
    """
    mark = work_dir / "probed" / store.settings_digest()
    if _is_recent(mark):
        return
    probe(store)
    with suppress(OSError):  # then the next run tries it again
        mark.parent.mkdir(parents=True, exist_ok=True)
        publish_bytes(mark, b"")


def _is_recent(mark: Path) -> bool:
    """Whether a mark was made within a day; one from the future was made by a clock that was wrong."""
    try:
        return 0 <= time.time() - mark.stat().st_mtime < REMEMBERED_SECONDS
    except OSError:
        return False
