"""``python -m tests.fakes.child``: behaves towards its parent as the trainer does, and as badly as it is told to."""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=Path)
    parser.add_argument("--lines", type=int, default=0)
    parser.add_argument("--stay", choices=["polite", "stubborn"])
    parser.add_argument("--kill", type=int)
    parser.add_argument("--code", type=int, default=0)
    parser.add_argument("--error")
    for flag in ("--stop-with-parent", "--half-line", "--environment", "--grandchild"):
        parser.add_argument(flag, action="store_true")
    return parser.parse_args()


def main() -> int:
    given = parse()
    pipe = os.open(given.events, os.O_WRONLY)

    def tell(**fields):
        os.write(pipe, json.dumps(fields).encode() + b"\n")

    if given.stay == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    elif given.stay:
        signal.signal(signal.SIGTERM, lambda *_: (tell(event="checkpoint", epochs_done=1), sys.exit(4)))
    tell_what_is_asked_for(given, tell)
    if given.half_line:
        os.write(pipe, b'{"event": "ep')
    if given.stay:
        tell(event="ready")
        stay(given.stay)
    if given.kill:
        os.kill(os.getpid(), given.kill)
        time.sleep(60)
    return given.code


def tell_what_is_asked_for(given, tell):
    for number in range(given.lines):
        tell(event="step", step=number, text="x" * 100)
    if given.environment:
        tell(event="environment", names=sorted(os.environ))
    if given.grandchild:
        command = [sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"]
        # It has the pipe's end too, as a trainer's loader processes do.
        tell(event="grandchild", pid=subprocess.Popen(command, close_fds=False).pid)
    if given.error:
        tell(event="error", message=given.error)
        print("not the last word")


def stay(how: str) -> None:
    if how == "stubborn":
        time.sleep(600)
    while os.read(0, 4096):  # ends when the parent does
        pass


if __name__ == "__main__":
    sys.exit(main())
