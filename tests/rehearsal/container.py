"""A root that systemd starts, as a machine does: services, and a network with the loopback interface alone."""

import os
import re
import subprocess

import psutil

from tests.fakes.waiting import wait_for
from tests.rehearsal.root import PATH

BOOT_SECONDS = 120
COMMAND_SECONDS = 600


class Container:
    """A running container, as a context manager. What it writes is gone behind the block.

    Args:
        root: The root, with systemd.
        folder: Folder of the rehearsal.
        name: By which it knows itself.
    """

    def __init__(self, root, folder, name):
        self._log, self._name = folder / "logs" / f"{root.name}-systemd.log", name
        self._command = [
            "systemd-nspawn", "--register=no", "--keep-unit", "--boot", "--private-network", "--volatile=overlay",
            "--console=pipe", f"--machine={root.name}", f"--directory={root}",
        ]  # fmt: skip

    def __enter__(self):
        self._log.parent.mkdir(exist_ok=True)
        # Newer releases start with this hierarchy of control groups alone; this machine may have another one.
        environment = {**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
            )
        try:
            wait_for(self._is_up, "systemd", seconds=BOOT_SECONDS)
            self.run(f"echo '127.0.0.1 localhost {self._name}' > /etc/hosts")
        except BaseException:
            self._process.kill()
            raise
        return self

    def __exit__(self, *_):
        self._process.terminate()  # it shuts down
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def run(self, script, folder="/", code=0):
        """Run a script as root, which ends at the first command that fails.

        Returns:
            What it wrote to stdout.
        """
        done = self._enter(["/bin/bash", "-euc", f"cd {folder}\n{script}"])
        assert done.returncode == code, f"{done.returncode}: {done.stdout[-1000:]}{done.stderr[-2000:]}"
        return done.stdout

    def _enter(self, words):
        first = psutil.Process(self._process.pid).children()[0].pid
        enter = ["nsenter", f"--target={first}", "--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup"]
        environment = {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8"}
        return subprocess.run(
            [*enter, *words], capture_output=True, text=True, check=False, env=environment, timeout=COMMAND_SECONDS
        )

    def _is_up(self):
        assert self._process.poll() is None, self._log.read_text(errors="replace")[-3000:]
        children = psutil.Process(self._process.pid).children()
        if not children:
            return False
        state = self._enter(["systemctl", "is-system-running"]).stdout.strip()
        return re.fullmatch("running|degraded", state)
