"""The units of infra/systemd: what systemd itself says of them, and that they fit the command that they start."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
import typer
import yaml

from deployments.cli.main import app
from deployments.worker.worker import KILL_SECONDS, STOP_SECONDS

INFRA = Path(__file__).parents[2] / "infra"
COMPOSE = yaml.safe_load((INFRA / "compose" / "compose.yaml").read_text())["services"]
UNITS = sorted((INFRA / "systemd").glob("*.service"))
WORKERS = [unit for unit in UNITS if unit.stem in ("nasflow-control", "nasflow-worker")]
SERVERS = {unit.stem.removeprefix("nasflow-"): unit for unit in UNITS if unit not in WORKERS}
ANALYZE = shutil.which("systemd-analyze")
MAX_EXPOSURE = 4.0
"""Of 10, as `systemd-analyze security` counts it."""

systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd is not installed")
each = pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
each_worker = pytest.mark.parametrize("unit", WORKERS, ids=lambda unit: unit.stem)


def setting(unit, name):
    (value,) = re.findall(rf"^{name}=(.*)$", unit.read_text(), re.MULTILINE)
    return value


def test_there_is_a_unit_for_each_side():
    assert [unit.stem for unit in WORKERS] == ["nasflow-control", "nasflow-worker"]
    assert sorted(SERVERS) == ["prefect", "store"]


@systemd
@each
def test_systemd_finds_no_fault(unit, tmp_path):
    """With another program, since that of the unit is not on this machine."""
    program = setting(unit, "ExecStart").partition(" ")[0]
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text().replace(f"ExecStart={program}", f"ExecStart={sys.executable}"))
    done = subprocess.run([str(ANALYZE), "verify", str(copy)], capture_output=True, text=True, check=False)
    assert (done.returncode, [line for line in done.stderr.splitlines() if unit.name in line]) == (0, [])


@systemd
@each
def test_little_of_the_machine_is_exposed(unit):
    command = [str(ANALYZE), "security", "--offline=true", "--no-pager", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    (exposure,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert float(exposure) <= MAX_EXPOSURE


def test_prefect_has_the_settings_that_it_has_in_compose():
    """Addresses and database apart. What is a secret there comes from a file here."""
    text = SERVERS["prefect"].read_text() + (INFRA / "systemd" / "prefect.env.example").read_text()
    here = dict(re.findall(r"(PREFECT_\w+)=(\S+)", text))
    there = COMPOSE["prefect"]["environment"]
    differ = {name for name in there if name.startswith("PREFECT_SERVER_DATABASE_")} | {"HEALTH_URL"}
    of_the_image = {"PREFECT_HOME", "PREFECT_UI_STATIC_DIRECTORY", "PREFECT_SERVER_ANALYTICS_ENABLED"}
    assert of_the_image <= set(here)
    assert set(here) - of_the_image - {"PREFECT_SERVER_DATABASE_CONNECTION_URL"} == set(there) - differ
    fixed = {name for name, value in there.items() if "$" not in value} - differ
    assert {name: here[name] for name in fixed} == {name: there[name] for name in fixed}


def test_the_store_is_started_as_in_compose():
    """Ports, folders and the address apart."""
    command = SERVERS["store"].read_text().partition("ExecStart=")[2].partition("\nRestart=")[0]

    def kept(words):
        paths = {re.sub(r"^(-s3\.config|-dir|-ip|-ip\.bind)=.*", r"\1", word) for word in words}
        return {word for word in paths if not word.startswith("-s3.port=")}

    assert kept(command.replace("\\", "").split()[1:]) == kept(COMPOSE["store"]["command"])


def test_servers_listen_on_this_machine_alone():
    assert setting(SERVERS["prefect"], "ExecStart").endswith(" --host 127.0.0.1")
    assert " -ip.bind=127.0.0.1 " in setting(SERVERS["store"], "ExecStart")


@each_worker
def test_a_stop_leaves_time_for_a_checkpoint_and_asks_the_command_alone(unit):
    assert setting(unit, "KillMode") == "mixed"
    assert int(setting(unit, "TimeoutStopSec")) > STOP_SECONDS + KILL_SECONDS


@each_worker
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
