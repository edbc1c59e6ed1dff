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
    parser.add_argument("--kind", default="NasflowError")
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
        saved = {"epochs_done": 1, "steps_done": 0, "sha256": "0" * 64, "size": 1, "seconds": 0.1}
        signal.signal(signal.SIGTERM, lambda *_: (report(event="checkpoint", **saved), sys.exit(4)))
    report_events(options, report)
    if options.half_line:
        os.write(pipe, b'{"event": "ep')
    if options.stay:
        report(event="log", message="ready")
        stay(options.stay)
    if options.kill:
        os.kill(os.getpid(), options.kill)
        time.sleep(60)
    if not options.code:
        report(event="finished")
    return options.code


def report_events(options, report):
    for number in range(options.lines):
        report(event="batches", done=number, total=options.lines)
    if options.environment:
        report(event="log", message=f"environment {json.dumps(sorted(os.environ))}")
    if options.grandchild:
        command = [sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"]
        # It has the pipe's end too, as a trainer's loader processes do.
        report(event="log", message=f"grandchild {subprocess.Popen(command, close_fds=False).pid}")
    if options.error:
        report(event="error", kind=options.kind, message=options.error, exit_code=options.code)
        print("output after the error event")


def stay(how: str) -> None:
    if how == "stubborn":
        time.sleep(600)
    while os.read(0, 4096):  # ends when the parent does
        pass


if __name__ == "__main__":
    sys.exit(main())
