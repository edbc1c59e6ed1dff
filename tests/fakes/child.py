"""``python -m tests.fakes.child``: a stand-in for the trainer, which misbehaves as its options say."""

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
    options = parse()
    pipe = os.open(options.events, os.O_WRONLY)

    def report(**fields):
        os.write(pipe, json.dumps(fields).encode() + b"\n")

    if options.stay == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    elif options.stay:
        signal.signal(signal.SIGTERM, lambda *_: (report(event="checkpoint", epochs_done=1), sys.exit(4)))
    report_events(options, report)
    if options.half_line:
        os.write(pipe, b'{"event": "ep')
    if options.stay:
        report(event="ready")
        stay(options.stay)
    if options.kill:
        os.kill(os.getpid(), options.kill)
        time.sleep(60)
    return options.code


def report_events(options, report):
    for number in range(options.lines):
        report(event="step", step=number, text="x" * 100)
    if options.environment:
        report(event="environment", names=sorted(os.environ))
    if options.grandchild:
        command = [sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"]
        # It has the pipe's end too, as a trainer's loader processes do.
        report(event="grandchild", pid=subprocess.Popen(command, close_fds=False).pid)
    if options.error:
        report(event="error", message=options.error)
        print("output after the error event")


def stay(how: str) -> None:
    if how == "stubborn":
        time.sleep(600)
    while os.read(0, 4096):  # ends when the parent does
        pass


if __name__ == "__main__":
    sys.exit(main())
