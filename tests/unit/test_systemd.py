"""The units of infra/systemd: what systemd itself says of them, and that they fit the command that they start."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
import typer

from deployments.cli.main import app
from deployments.worker.worker import KILL_SECONDS, STOP_SECONDS

UNITS = sorted((Path(__file__).parents[2] / "infra" / "systemd").glob("*.service"))
ANALYZE = shutil.which("systemd-analyze")
MAX_EXPOSURE = 4.0
"""Of 10, as `systemd-analyze security` counts it."""

systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd is not installed")
each = pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)


def setting(unit, name):
    (value,) = re.findall(rf"^{name}=(.*)$", unit.read_text(), re.MULTILINE)
    return value


def test_there_is_a_unit_for_each_side():
    assert [unit.stem for unit in UNITS] == ["nasflow-control", "nasflow-worker"]


@systemd
@each
def test_systemd_finds_no_fault(unit, tmp_path):
    """With another program, since that of the unit is not on this machine."""
    program, _, arguments = setting(unit, "ExecStart").partition(" ")
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text().replace(f"ExecStart={program}", f"ExecStart={sys.executable}"))
    done = subprocess.run([str(ANALYZE), "verify", str(copy)], capture_output=True, text=True, check=False)
    assert (done.returncode, [line for line in done.stderr.splitlines() if unit.name in line]) == (0, [])
    assert arguments.startswith("worker ")


@systemd
@each
def test_little_of_the_machine_is_exposed(unit):
    command = [str(ANALYZE), "security", "--offline=true", "--no-pager", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    (exposure,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert float(exposure) <= MAX_EXPOSURE


@each
def test_a_stop_leaves_time_for_a_checkpoint_and_asks_the_command_alone(unit):
    assert setting(unit, "KillMode") == "mixed"
    assert int(setting(unit, "TimeoutStopSec")) > STOP_SECONDS + KILL_SECONDS


@each
def test_the_command_has_the_options_of_the_unit(unit):
    _, verb, *options = setting(unit, "ExecStart").split()
    command = typer.main.get_command(app)
    assert isinstance(command, click.Group)
    known = {flag for parameter in command.commands[verb].params for flag in parameter.opts}
    assert {option for option in options if option.startswith("--")} <= known


@each
def test_no_secret_is_in_a_unit(unit):
    assert setting(unit, "EnvironmentFile").startswith("/etc/nasflow/")
    assert not re.search(r"SECRET|API_KEY|AUTH_STRING|PASSWORD", unit.read_text())
