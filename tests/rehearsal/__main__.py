"""A rehearsal on one machine: servers and workers in bare Debian roots and networks of their own: make rehearse.

It needs root on Linux, debootstrap, systemd-container, Caddy, and the addresses of packages that apt and pip of this
machine know.
"""

import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.rehearsal.root import REPOSITORY, SUITES
from tests.rehearsal.steps import read_steps

SHORT = "0"
"""In place of a release: no roots."""
PROGRAMS = {"unshare": "util-linux", "nsenter": "util-linux", "ip": "iproute2", "caddy": "caddy"}
"""What a rehearsal needs, with Debian's packages."""
OF_ROOTS = {"debootstrap": "debootstrap", "systemd-nspawn": "systemd-container"}
# What is mounted and started in there ends with it. The network is that of this machine, or a new one.
NAMESPACES = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]


def main():
    """Rehearse on each release; exit code 1 if a step failed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started ends, too
    options = parse_options()
    if lacking := what_is_lacking(short=options.short):
        print(f"error: {lacking}", file=sys.stderr)
        return 2
    options.roots.mkdir(parents=True, exist_ok=True)
    numbers = [SHORT] if options.short else options.root or list(SUITES)
    results = {
        number: rehearse(number, options.roots, keep=options.keep, whole=number == numbers[0]) for number in numbers
    }
    if options.json:
        options.json.write_text(json.dumps({number: steps for number, (_, steps) in results.items()}, indent=1))
    for number, (is_ok, steps) in results.items():
        counts = {outcome: sum(step["outcome"] == outcome for step in steps) for outcome in ("OK", "refused", "FAILED")}
        print(f"{name_of(number)}: {'as it must be' if is_ok else 'FAILED'}; {counts}")
    return int(not all(is_ok for is_ok, _ in results.values()))


def what_is_lacking(*, short):
    """What this machine lacks for a rehearsal, with the remedy, or an empty text."""
    if sys.platform != "linux" or os.getuid() != 0:
        return "a rehearsal makes networks, which only root on Linux can; run it as root"
    needed = PROGRAMS if short else PROGRAMS | OF_ROOTS
    missing = [name for name in needed if shutil.which(name) is None]
    packages = " ".join(needed[name] for name in missing)
    return f"not installed: {', '.join(missing)}; apt-get install {packages}" if missing else ""


def parse_options():
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", action="append", choices=list(SUITES), help="release of Debian; all by default")
    parser.add_argument("--roots", type=Path, default=REPOSITORY / "build" / "rehearsal", help="folder of the roots")
    parser.add_argument("--short", action="store_true", help="the networks alone, with what this machine has installed")
    parser.add_argument("--keep", action="store_true", help="keep what is installed, and use it if it is there")
    parser.add_argument("--json", type=Path, help="file for all steps")
    return parser.parse_args()


def rehearse(number, roots, *, keep, whole):
    """Install, and play.

    Args:
        number: Release of Debian.
        roots: Folder of the roots.
        keep: Whether roots with nasflow installed stay.
        whole: Whether a machine is lost, and all is restored, too.

    Returns:
        Whether all is well, and all steps.
    """
    print(f"== {name_of(number)}", flush=True)
    # Made and removed here, where nothing is mounted in it.
    with tempfile.TemporaryDirectory(prefix="nasflow-rehearsal-") as name, outside() as addresses:
        folder = Path(name)
        folder.chmod(0o755)
        arguments = [number, str(roots.absolute()), name]
        installing = [*NAMESPACES, sys.executable, "-m", "tests.rehearsal.install", *arguments]
        readme = [*NAMESPACES, sys.executable, "-m", "tests.rehearsal.readme", *arguments]
        docs = [*NAMESPACES, sys.executable, "-m", "tests.rehearsal.by_the_docs", *arguments]
        playing = [
            *NAMESPACES,
            "--net",
            sys.executable,
            "-m",
            "tests.rehearsal.play",
            *arguments,
            json.dumps(addresses),
        ]
        playing += ["--whole"] if whole else []
        is_ok = run(playing) if number == SHORT else run(installing) and run_all(playing, readme, docs)
        steps = read_steps(folder / "steps.jsonl")
    if not keep:
        for root in roots.glob(f"debian-{number}-*/"):
            shutil.rmtree(root)
    return is_ok and all(step["outcome"] != "FAILED" for step in steps), steps


def run(command):
    """Whether a part of the rehearsal ended well."""
    return subprocess.run(command, cwd=REPOSITORY, check=False).returncode == 0


def run_all(*commands):
    """Whether parts of the rehearsal, one after the other, ended well. Each is run, whatever became of the others."""
    return [run(command) for command in commands] == [True] * len(commands)


def name_of(number):
    """What people call a rehearsal."""
    return "the networks alone" if number == SHORT else f"Debian {number}"


@contextmanager
def outside():
    """Addresses outside of the rehearsal's networks that are reached from here: a server of this process, name servers.

    Yields:
        Address and port by name.
    """
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
        found = {
            f"a server of this machine at {address.address}": (address.address, port)
            for addresses in psutil.net_if_addrs().values()
            for address in addresses
            if address.family == socket.AF_INET and not address.address.startswith("127.")
        }
        for name_server in re.findall(r"^nameserver\s+([\d.]+)", Path("/etc/resolv.conf").read_text(), re.MULTILINE):
            found[f"the name server of this machine, {name_server}"] = (name_server, 53)
        yield {name: place for name, place in found.items() if is_reached(*place)}


def is_reached(address, port):
    """Whether a server accepts connections of this process."""
    try:
        socket.create_connection((address, port), timeout=3).close()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
