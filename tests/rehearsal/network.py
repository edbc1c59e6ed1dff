"""Network namespaces: the one of the control side, and one for each worker, joined by a pair of interfaces.

A worker's has no other interface and no route, so that it reaches what listens on the control side's end
and nothing else.
"""

import subprocess
from pathlib import Path

import psutil

FOLDER = Path("/run/netns")
NAME = "control.nasflow.test"
"""By which workers reach the control side."""


def prepare():
    """Make this process' own network namespace, a new one, that of the control side."""
    FOLDER.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(FOLDER)], check=True)
    _ip("link", "set", "lo", "up")
    # Caddy listens on port 443 without any right.
    Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").write_text("0")


class Link:
    """The network namespace of a worker.

    Args:
        number: A number of its own, from 1.

    Attributes:
        control: Address of the control side, as this worker sees it.
        worker: Address of the worker.
    """

    def __init__(self, number: int) -> None:
        self.name = f"worker-{number}"
        self.control, self.worker = f"10.213.{number}.1", f"10.213.{number}.2"
        end, other = f"control{number}", f"worker{number}"
        _ip("netns", "add", self.name)
        _ip("link", "add", end, "type", "veth", "peer", "name", other, "netns", self.name)
        _ip("addr", "add", f"{self.control}/30", "dev", end)
        _ip("link", "set", end, "up")
        _ip("-n", self.name, "addr", "add", f"{self.worker}/30", "dev", other)
        for interface in ("lo", other):
            _ip("-n", self.name, "link", "set", interface, "up")

    def enter(self, command):
        """A command as it is run in this namespace. It keeps its process id."""
        return ["/usr/bin/nsenter", f"--net={FOLDER / self.name}", *command]

    def pids(self):
        """Process ids of all that runs in it."""
        listed = subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, text=True, check=True)
        return [int(pid) for pid in listed.stdout.split()]


def listening():
    """Ports on which anything listens in this namespace, by process name."""
    found = {}
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN:
            name = psutil.Process(connection.pid).name() if connection.pid else "?"
            found[connection.laddr.port] = name
    return dict(sorted(found.items()))


def _ip(*arguments):
    subprocess.run(["ip", *arguments], check=True)
