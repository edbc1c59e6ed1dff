"""``nasflow up``: the local stack in the foreground."""

import time
from pathlib import Path

from deployments.local_stack.stack import Stack
from deployments.terminal.console import document, say


def up(folder: Path, *, as_json: bool) -> None:
    """Run the local stack until Ctrl-C.

    Args:
        folder: Folder that keeps everything.
        as_json: Whether its addresses are printed as one JSON document on stdout, once it is up.
    """
    with Stack(folder, say) as stack:
        if as_json:
            document({"ok": True, "ui": stack.ui, "api": f"{stack.ui}/api", "folder": str(stack.folder)})
        say(f"Prefect: {stack.ui}  (API {stack.ui}/api)")
        say(f"in another terminal: source {stack.folder}/env.sh, then nasflow retrain --export PATH")
        say(f"everything is in {stack.folder}; Ctrl-C ends it")
        run_until_interrupted(stack)


def run_until_interrupted(stack: Stack) -> None:
    """Wait for Ctrl-C or SIGTERM, and start processes of the stack again that end.

    Raises:
        ServerProblem: one of the stack's processes did not come up several times in a row.
    """
    try:
        while True:
            stack.check()
            time.sleep(1)
    except KeyboardInterrupt:
        say("stopping")
