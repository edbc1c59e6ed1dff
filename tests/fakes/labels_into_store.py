"""``python -m tests.fakes.labels_into_store fetch|store URL FOLDER``: a worker's job with labels, to be killed.

``fetch`` downloads the zip from the fake of Roboflow at URL to FOLDER/export.zip; ``store`` brings its labels into the
store that the environment names, and prints the snapshot's digest. At the word "begin" on stdin it does so in a child
process, forked after all imports. At "kill" the child is killed, at "wait" waited for, and its exit code printed.
"""

import os
import signal
import sys
import traceback
from pathlib import Path

from pydantic import SecretStr

from tasks.labeling.in_store import check_to_store, export_to_store
from tasks.labeling.roboflow.export import fetch_export
from tasks.labeling.roboflow.versions import VersionRequest
from tasks.records import RetrainRequest
from tasks.settings import RoboflowSettings
from tasks.storage.s3 import Store
from tests.fakes.roboflow_project import PROJECT, WORKSPACE
from tests.fakes.roboflow_server import KEY


def main(verb: str, url: str, folder: Path) -> None:
    os.environ.update({"API_URL": url, "PYTHON_DOTENV_DISABLED": "1"})
    import roboflow  # noqa: F401 - so that the child need not, which takes longer than the download

    while sys.stdin.readline() == "begin\n":
        child = os.fork()
        if child == 0:
            run_and_exit(verb, url, folder)
        if sys.stdin.readline() == "kill\n":
            os.kill(child, signal.SIGKILL)
        print(f"exit {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}", flush=True)


def run_and_exit(verb: str, url: str, folder: Path) -> None:
    try:
        run(verb, RoboflowSettings(api_key=SecretStr(KEY), api_url=url, deadline=30), folder)
    except BaseException:  # noqa: BLE001 - a forked process must not go on in its parent's code
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def run(verb: str, settings: RoboflowSettings, folder: Path) -> None:
    if verb == "fetch":
        fetch_export(settings, VersionRequest(WORKSPACE, PROJECT, 10), folder / "export.zip")
        return
    store, request = Store.from_environment(), RetrainRequest(project=PROJECT, workspace=WORKSPACE)
    export = export_to_store(store, request, lambda: settings, folder)
    print(check_to_store(store, export, folder).snapshot_digest, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
