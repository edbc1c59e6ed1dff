"""Faults on a real stack, one after the other: what became of each run, and how soon. ``make chaos`` runs it.

Every round trains the same run on an emptied store, so its weights must be those of the first, undisturbed round.
Rounds wait for most of their time, so stacks of their own play at the same time, each the next round that is left.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path

from deployments.demo.cartoons import draw_export
from tests.chaos.faults import Fault, mount_small_disk, shuffled, unmount
from tests.chaos.machinery import Machinery
from tests.chaos.round import Round, Row, settle
from tests.chaos.store import RoundStore
from tests.e2e.stack import LocalStack

STACKS = 2
"""So many rounds are played at the same time."""
DISK_MEGABYTES = 2000
NOTHING = Fault("nothing", lambda this: None)


class Chaos:
    """A stack, and what an undisturbed round gives on it."""

    def __init__(self, stack, export):
        self._stack, self._export = stack, export
        self._machinery, self._store = Machinery(stack), RoundStore(stack.environment)
        self._weights, self._kinds = None, None
        self._number = 0

    def round(self, fault):
        """One round; what it came to."""
        self._number += 1
        this = Round(self._stack, self._machinery, self._store, self._export, f"chaos-{self._number}")
        row, began = Row(fault.name), time.monotonic()
        try:
            self._play(this, fault, row)
        except (TimeoutError, AssertionError, OSError) as error:
            row.problems.append(f"{type(error).__name__}: {error}")
        row.seconds = time.monotonic() - began
        return row

    def _play(self, this, fault, row):
        this.start()
        this.reach(fault.moment)
        this.disturbed_at = time.time()
        fault.disturb(this)
        ends = this.end()
        row.end = ", ".join(ends)
        row.notice_seconds, row.go_on_seconds = this.times()
        if any(end != ("Cancelled" if fault.cancelled else "Completed") for end in ends):
            row.problems.append(f"ended {row.end}")
        if fault.cancelled:
            this.ask_again()
            if (last := this.end()[-1]) != "Completed":
                row.problems.append(f"the same request afterwards ended {last}")
        if left := settle(this):
            row.problems.append(f"still running or held: {', '.join(left)}")
        row.problems += self._problems_in_store(this)
        this.clear()

    def _problems_in_store(self, this):
        weights, kinds = self._store.weights(this.run_key), self._store.kinds(this.project)
        self._weights, self._kinds = self._weights or weights, self._kinds or kinds
        problems = []
        if weights != self._weights:
            problems.append(f"weights {weights}, not {self._weights}")
        if (counts := self._store.promotions(this.project)) != (1, 1):
            problems.append(f"{counts[0]} versions, {counts[1]} promotions")
        if uploads := self._store.open_uploads():
            problems.append(f"open uploads: {', '.join(uploads)}")
        problems += [f"orphan: {count} x {name}" for name, count in (kinds - self._kinds).items()]
        return problems + [f"missing: {count} x {name}" for name, count in (self._kinds - kinds).items()]


def main():
    """Run the rounds, and print them."""
    options = parse_options()
    faults = deque(shuffled(options.seed))
    if options.only:
        faults = deque(fault for fault in faults if any(part in fault.name for part in options.only))
    deadline = time.monotonic() + 60 * options.minutes
    with tempfile.TemporaryDirectory(prefix="nasflow-chaos-") as name, ThreadPoolExecutor(STACKS) as pool:
        folders = [Path(name) / f"stack-{number}" for number in range(STACKS)]
        rows = [row for rows in pool.map(partial(play, deadline, faults), folders) for row in rows]
    if faults:
        print(f"not played: {', '.join(fault.name for fault in faults)}")
    print_summary([row for row in rows if row.fault != NOTHING.name])
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    sys.exit(any(row.problems for row in rows) or bool(faults))


def parse_options():
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60, help="no round begins after these; default 60")
    parser.add_argument("--seed", type=int, default=1, help="of the order of the faults; default 1")
    parser.add_argument("--only", action="append", help="only faults whose name has this; may be given again")
    parser.add_argument("--json", type=Path, help="file for all rounds")
    return parser.parse_args()


def play(deadline, faults, folder):
    """Play rounds one after the other on a stack of their own.

    Args:
        deadline: When no round begins any more, on the monotonic clock.
        faults: Faults that are left; other stacks take from them, too.
        folder: Folder of the stack.

    Returns:
        A row a round, the undisturbed one first. If that has a problem, it is the only one.
    """
    small_disk = mount_small_disk(folder / "work", DISK_MEGABYTES)
    export = folder / "pets"
    draw_export(export, 1, train=12, valid=4, test=4, size=96)
    try:
        with LocalStack(folder) as stack:
            chaos = Chaos(stack, export)
            rows = [chaos.round(NOTHING)]
            print_row(rows[0])
            while not rows[0].problems and time.monotonic() < deadline and (fault := take(faults)):
                if fault.on_small_disk and not small_disk:
                    print(f"{fault.name}: not played, since this user cannot mount a disk", flush=True)
                    continue
                rows.append(chaos.round(fault))
                print_row(rows[-1])
        return rows
    finally:
        if small_disk:
            unmount(folder / "work")


def take(faults):
    """The next fault, or None when another stack took the last one."""
    with suppress(IndexError):
        return faults.popleft()


def print_row(row):
    """Print a round as it ends."""
    times = "".join(f"{'-' if value is None else f'{value:.0f}':>9}" for value in
                    (row.notice_seconds, row.go_on_seconds, row.seconds))  # fmt: skip
    print(f"{row.fault:42} {row.end:22}{times}  {'; '.join(row.problems) or 'ok'}", flush=True)


def print_summary(disturbed):
    """Print how many rounds were well, and the times of those whose fault was noticed."""
    print(f"{sum(not row.problems for row in disturbed)} of {len(disturbed)} rounds as they must be")
    for what, values in (
        ("to notice", [row.notice_seconds for row in disturbed if row.notice_seconds is not None]),
        ("to go on", [row.go_on_seconds for row in disturbed if row.go_on_seconds is not None]),
    ):
        if values:
            print(
                f"seconds {what}: median {statistics.median(values):.0f}, worst {max(values):.0f}, {len(values)} rounds"
            )


if __name__ == "__main__":
    main()
