"""``python -m tests.fakes.snapshots save|fetch EXPORT FOLDER``: saves or fetches a snapshot, in a process to kill.

``save`` checks EXPORT into the store that the environment names; ``fetch`` brings that snapshot into FOLDER. Both print
its digest.
"""

import sys
from pathlib import Path

from tasks.labeling.inspection import inspect_export, require_snapshot
from tasks.storage.blob_cache import BlobCache
from tasks.storage.datasets import fetch_dataset, save_snapshot
from tasks.storage.s3 import Store


def main(verb: str, export: Path, folder: Path) -> None:
    store = Store.from_environment()
    inspection = inspect_export(export, folder / "scratch")
    snapshot = require_snapshot(inspection)
    print("began", flush=True)
    if verb == "save":
        save_snapshot(store, snapshot, inspection.files)
    else:
        fetch_dataset(store, snapshot.digest, folder / "dataset", BlobCache(folder / "blobs", 10**9))
    print(snapshot.digest, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
