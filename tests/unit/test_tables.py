"""Tables on narrow terminals and in pipes: names, ids and paths stay whole, so that they can be copied."""

import os
import pty
import re
import subprocess
import sys
import termios

import pytest
from rich.cells import cell_len

from tests.fakes.terminals import read_terminal

RUNS = [("4d11b8c1", "therapeutic-quoll"), ("09af3e77", "wise-bee"), ("c0ffee00", "incomparable-hummingbird")]
PATH = "/srv/nasflow/work/" + "runs/" * 20 + "weights.safetensors"
PROLOGUE = f"""
from deployments.cli.show import show_models, show_training
from deployments.cli.show_runs import show_runs
from deployments.cli.show_server import show_checks
from deployments.terminal.tables import table

def run(id, name):
    progress = {{"percent": 57.0, "text": "epoch 3 of 7, 0:02:10 left"}}
    return {{"flow": "retrain", "project": "cats-and-dogs", "flow_run": id + "-0000", "flow_run_name": name,
            "flow_run_state": "Running", "began": "2026-11-29T12:00:00+00:00", "seconds": 75.0, "progress": progress,
            "child_runs": []}}

runs = {{"runs": [run(*one) for one in {RUNS!r}]}}
model = {{"project": "cats-and-dogs", "version": 12, "alias": "champion", "map": 0.5, "map50": 0.75, "split": "test",
         "created_at": "2026-11-29T12:34:56.123456+00:00"}}
checks = {{"checks": [
    {{"name": "python", "status": "ok", "message": "3.11", "remedy": ""}},
    {{"name": "disk", "status": "error", "message": "no room in {PATH}", "remedy": "free some in {PATH}"}},
]}}
"""


def printed(call, columns=None):
    """Stdout and stderr of a call, in a pipe; with ``columns`` as wide as COLUMNS says."""
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    environment |= {"TZ": "UTC"} | ({"COLUMNS": str(columns)} if columns else {})
    done = subprocess.run(
        [sys.executable, "-c", PROLOGUE + call], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout, done.stderr


def on_terminal(call, columns):
    """Lines that a real terminal of so many columns is sent."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, columns))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    with subprocess.Popen(
        [sys.executable, "-c", PROLOGUE + call], stdout=slave, stderr=subprocess.DEVNULL,
        env={**environment, "TERM": "xterm"},
    ) as process:  # fmt: skip
        os.close(slave)
        shown = read_terminal(master)
    os.close(master)
    assert process.returncode == 0
    return re.sub(r"\x1b\[[0-9;]*m", "", shown).splitlines()


def lines_with(words, text):
    return [line for line in text.splitlines() if all(word in line for word in words)]


@pytest.mark.parametrize("columns", [60, 80, 100, 140, 200])
def test_id_and_name_of_a_run_stay_whole_and_lines_fit_the_terminal(columns):
    shown, _ = printed("show_runs(runs)", columns)
    assert [len(lines_with(run, shown)) for run in RUNS] == [1] * len(RUNS)
    assert max(map(cell_len, shown.splitlines())) <= columns


def test_a_real_terminal_of_80_columns_does_without_the_least_important_columns():
    lines = on_terminal("show_runs(runs)", 80)
    assert max(len(line.rstrip()) for line in lines) <= 80
    assert [len([line for line in lines if id in line and name in line]) for id, name in RUNS] == [1] * len(RUNS)  # noqa: A001


def test_columns_that_are_left_out_are_named():
    shown, said = printed("show_runs(runs)", 84)
    assert said == "left out, since the terminal is narrow: took, began, progress; --json has all\n"
    assert "cats-and-dogs" in shown
    assert printed("show_runs(runs)", 200)[1] == ""


def test_in_a_pipe_each_row_is_one_line_with_all_columns():
    shown, said = printed("show_runs(runs)")
    every = ["retrain", "cats-and-dogs", "2026-11-29 12:00:00", "0:01:15", "57 %, epoch 3 of 7, 0:02:10 left"]
    assert [len(lines_with([*run, *every], shown)) for run in RUNS] == [1] * len(RUNS)
    assert len(shown.splitlines()) == 4 + len(RUNS)
    assert said == ""


@pytest.mark.parametrize("columns", [None, 40, 80])
@pytest.mark.parametrize("call", ["show_checks(checks)", f"show_training({{'weights': {PATH!r}, 'seed': 1}})"])
def test_a_path_stays_whole_however_narrow_the_terminal(call, columns):
    assert PATH in printed(call, columns)[0]


def test_each_check_is_a_line_and_a_remedy_another():
    shown, _ = printed("show_checks(checks)", 80)
    assert [line.rstrip() for line in shown.splitlines()] == [
        "ok       python  3.11", f"error    disk    no room in {PATH}", f"                 remedy: free some in {PATH}",
    ]  # fmt: skip


def test_what_no_terminal_is_wide_enough_for_is_a_paragraph_a_row():
    shown, _ = printed("table(['project', '', 'reason'], [['pets', 'x' * 70, 'a b'], ['cars', None, 'c']])", 60)
    assert shown == f"project: pets\n{'x' * 70}\nreason: a b\n\nproject: cars\n\N{EN DASH}\nreason: c\n"


def test_cells_are_wrapped_between_words_alone():
    shown, _ = printed("table(['when', 'text'], [['2026-11-29', 'one two three ' * 9], ['now', 'x']])", 40)
    words = {word for line in shown.splitlines() for word in line.strip("│┃┏┡└┳╇┴┓┩┘━─ ").replace("│", " ").split()}
    assert words - {"┃"} == {"when", "text", "2026-11-29", "one", "two", "three", "now", "x"}


def test_an_indented_cell_keeps_its_indent_and_stays_one_line():
    shown, _ = printed("table(['flow', 'text'], [['retrain', 'a b ' * 9], ['  evaluate', 'c']])", 30)
    assert lines_with(["│   evaluate │"], shown)


def test_a_model_is_listed_with_its_minute():
    assert lines_with(
        ["cats-and-dogs", "12", "champion", "2026-11-29 12:34"], printed("show_models({'models': [model]})", 100)[0]
    )


def test_a_short_column_is_not_wrapped_for_the_sake_of_a_long_one():
    shown, _ = printed("table(['', 'what'], [['why it matters', 'word ' * 60]])", 80)
    assert "why it matters" in shown
    assert max(map(cell_len, shown.splitlines())) <= 80
