"""A GPU worker of a rehearsal, on a machine of its own."""

import os
import shutil
import signal

import psutil

from tasks.settings import TRAINER
from tests.fakes.waiting import wait_for
from tests.rehearsal.machine import Machine
from tests.rehearsal.network import NAME, Link

CHECKPOINT_MINUTES = "0.05"
"""Runs of a rehearsal are short."""


class Worker:
    """A machine with ``nasflow worker``.

    Args:
        number: From 1.
        root: Root with nasflow installed.
        control: The control side.
        folder: Folder of the rehearsal.
    """

    def __init__(self, number, root, control, folder):
        self._control = control
        self.name = f"worker-{number}"
        self.link = Link(number)
        self.machine = Machine(self.name, root, folder, self.link, {NAME: self.link.control})
        shutil.copy(control.authority, self.machine.work / "authority.pem")
        (self.machine.work / "authority.pem").chmod(0o644)
        self.variables = {
            **control.client("worker", remote=True), "SSL_CERT_FILE": "/work/authority.pem",
            "NASFLOW_STORE_CA_BUNDLE": "/work/authority.pem", "OMP_NUM_THREADS": "1",
            "NASFLOW_CHECKPOINT_EVERY_MINUTES": CHECKPOINT_MINUTES,
        }  # fmt: skip

    def start(self):
        """Start it as the image does, and wait until Prefect knows it."""
        command = ["nasflow", "worker", "--pool", "gpu", "--name", self.name]
        process = self.machine.start(command, self.name, **self.variables)

        def is_online():
            log = self.machine.logs / f"{self.name}.log"
            assert process.poll() is None, f"nasflow worker ended with {process.poll()}:\n{log.read_text()[-3000:]}"
            return self.name in self._control.online("gpu")

        wait_for(is_online, f"worker {self.name} online", seconds=180)
        return process

    def run(self, words, text="", **variables):
        """Run a command on its machine, with its variables."""
        return self.machine.run(words, text=text, **{**self.variables, **variables})

    def trainer(self):
        """Its trainer process, or None."""
        for process in map(psutil.Process, self._pids()):
            try:
                if TRAINER in process.cmdline():
                    return process
            except psutil.Error:
                continue
        return None

    def lose(self):
        """Kill all that runs on its machine, as a power cut does; how many processes that were."""
        pids = self._pids()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        return len(pids)

    def _pids(self):
        return [pid for pid in self.link.pids() if psutil.pid_exists(pid)]
