"""What a part of the rehearsal is told, and what was done: a line as it happens, and all of it as JSON."""

import argparse
import json
import time
from contextlib import contextmanager
from pathlib import Path


def part_parser(description):
    """The command line of a part: which rehearsal it is, and where."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("number", help="release of Debian; 0 for the networks alone, in the root of this machine")
    parser.add_argument("roots", type=Path)
    parser.add_argument("folder", type=Path)
    return parser


class Steps:
    """Lines of a rehearsal.

    Args:
        file: Takes a JSON document for each line; several processes append to it, one after the other.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    @contextmanager
    def step(self, name):
        """A step; it is OK unless the block ends with an error, which goes on.

        Args:
            name: What is done.

        Yields:
            A list for what is to be said about it.
        """
        began = time.monotonic()
        details: list[str] = []
        try:
            yield details
        except BaseException as error:
            self.add("FAILED", name, time.monotonic() - began, f"{type(error).__name__}: {error}")
            raise
        self.add("OK", name, time.monotonic() - began, "; ".join(details))

    def refusal(self, name, refused, seconds=0.0):
        """Something that must be refused.

        Args:
            name: What was tried.
            refused: How it was refused; None if it was not.
            seconds: How long that took.
        """
        self.add("refused" if refused else "FAILED", name, seconds, refused or "was not refused")

    def add(self, outcome, name, seconds, detail):
        """Print a line, and keep it."""
        print(f"{outcome:8}{seconds:7.1f} s  {name}{': ' if detail else ''}{detail}", flush=True)
        line = {"outcome": outcome, "step": name, "seconds": round(seconds, 2), "detail": detail}
        with self._file.open("a") as lines:
            lines.write(json.dumps(line) + "\n")


def read_steps(file):
    """All lines of a file of steps."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
