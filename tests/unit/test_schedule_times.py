"""When a schedule has runs start: values of options, the next times, and what cannot be."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from deployments.cli.main import run
from deployments.remote.schedule_times import in_words, next_times, schedule_from, zone_of

ROOT = Path(__file__).parents[2]
BERLIN = "Europe/Berlin"
BEFORE_THE_CLOCKS_ARE_SET_BACK = datetime(2026, 10, 23, 12, tzinfo=UTC)
BEFORE_THE_CLOCKS_ARE_SET_FORWARD = datetime(2026, 3, 27, 12, tzinfo=UTC)


@pytest.mark.parametrize("after", [BEFORE_THE_CLOCKS_ARE_SET_BACK, BEFORE_THE_CLOCKS_ARE_SET_FORWARD])
@pytest.mark.parametrize("options", [("0 3 * * *", None), (None, "1d")])
def test_a_nightly_schedule_keeps_its_hour_when_the_clocks_change(options, after):
    cron, every = options
    times = next_times(schedule_from(cron, every, BERLIN), after=after)
    hours = {(time.hour, time.minute) for time in times}
    assert hours == {(3, 0) if options[0] else (0, 0)}
    assert len({time.utcoffset() for time in times}) == 2
    assert len({time.date() for time in times}) == 3


def test_an_interval_is_counted_from_midnight():
    times = next_times(schedule_from(None, "6h", "UTC"), count=4)
    assert {time.hour for time in times} == {0, 6, 12, 18}
    assert all(after - before == timedelta(hours=6) for before, after in pairwise(times))


@pytest.mark.parametrize("every", ["60s", "90m", "6h", "1d", "2w"])
def test_an_interval_is_said_in_the_largest_unit_that_fits(every):
    words = in_words(schedule_from(None, every, BERLIN))
    assert words == {"60s": "every 1m"}.get(every, f"every {every}")


def test_a_cron_schedule_is_said_as_it_was_given():
    schedule = schedule_from("30 2 * * 1-5", None, BERLIN)
    assert (in_words(schedule), zone_of(schedule)) == ("30 2 * * 1-5", BERLIN)


@pytest.mark.parametrize("zone", [BERLIN, "America/New_York"])
def test_the_zone_of_this_machine_is_the_default(zone):
    code = "from deployments.remote.schedule_times import local_zone; print(local_zone())"
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "TZ": zone}, cwd=ROOT)
    assert done.stdout.strip() == zone


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--cron", "soon", "--workspace", "acme"], "--cron 'soon': no time that comes; give five fields"),
        (["--cron", "0 0 30 2 *", "--workspace", "acme"], "--cron '0 0 30 2 *': no time that comes"),
        (["--cron", "R * * * *", "--workspace", "acme"], "--cron 'R * * * *': no time that comes"),
        (["--cron", "* * * * * *", "--workspace", "acme"], "--cron '* * * * * *': more fields than five"),
        (["--every", "59s", "--workspace", "acme"], "--every '59s': too short; give at least 60s"),
        (["--every", "0h", "--workspace", "acme"], "--every '0h': too short"),
        (["--every", "six", "--workspace", "acme"], "--every 'six': no interval"),
        (["--every", "6", "--workspace", "acme"], "--every '6': no interval"),
        (["--workspace", "acme"], "give either --cron"),
        (["--cron", "0 3 * * *", "--every", "6h", "--workspace", "acme"], "give either --cron"),
        (["--every", "6h", "--timezone", "Mars/Base", "--workspace", "acme"], "--timezone 'Mars/Base': no time zone"),
        (
            ["--every", "6h", "--timezone", "../etc/passwd", "--workspace", "acme"],
            "--timezone '../etc/passwd': no time",
        ),
        (["--every", "6h"], "give either --workspace, or --export"),
        (["--every", "6h", "--workspace", "acme", "--export", "/labels"], "give either --workspace, or --export"),
        (["--every", "6h", "--export", "labels.zip"], "--export labels.zip: workers have another folder"),
        (["--every", "6h", "--workspace", "acme", "--epochs", "0"], "--epochs: "),
    ],
)
def test_what_cannot_be_is_one_line(options, line, capsys):
    assert run(["schedule", "set", "pets", *options]) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith("error: ")
    assert line in error


def test_a_project_that_cannot_be_is_one_line(capsys):
    assert run(["schedule", "set", "Pets!", "--every", "6h", "--workspace", "acme"]) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert error.startswith("error: --project: ")
