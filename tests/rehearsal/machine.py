"""A machine of a rehearsal: a root that is read-only but for /work, in a network, with the variables of its image."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from deployments.local_stack import processes
from tests.rehearsal.root import OWN, PATH, REPOSITORY, in_root, mount, mount_root, mount_system

USER = 10001


def image_variables(role):
    """ENV of a Dockerfile."""
    text = (REPOSITORY / "infra" / "images" / f"{role}.Dockerfile").read_text().replace("\\\n", " ")
    words = [word for line in re.findall(r"^ENV (.+)$", text, re.MULTILINE) for word in shlex.split(line)]
    return dict(word.split("=", 1) for word in words)


class Machine:
    """A machine.

    Args:
        name: Its name; a folder of that name is its disk.
        root: Root with nasflow installed. "/" is this machine's own, with the environment that this process runs in.
        folder: Folder of the rehearsal.
        link: Its network namespace; None for that of this process.
        hosts: Addresses by name.
    """

    def __init__(self, name, root, folder, link=None, hosts=None):
        self.name, self.link = name, link
        own = root == OWN
        self.bin = Path(sys.executable).parent if own else Path("/opt/nasflow/bin")
        # Another user may not be able to read this environment.
        self.user = 0 if own else USER
        self.root = folder / "roots" / name
        self.work = folder / name
        self.logs = folder / "logs"
        self.logs.mkdir(exist_ok=True)
        for path in (self.root, self.work):
            path.mkdir(parents=True)
        os.chown(self.work, self.user, self.user)
        mount_root(root, self.root)
        mount(self.work, self.root / "work")
        mount_system(self.root)
        (folder / f"{name}.hosts").write_text("".join(
            f"{address} {host}\n" for host, address in {"localhost": "127.0.0.1", **(hosts or {})}.items()
        ))  # fmt: skip
        mount(folder / f"{name}.hosts", self.root / "etc" / "hosts", writable=False)
        self.variables = image_variables(name.partition("-")[0])
        self.variables["PATH"] = f"{self.bin}:{PATH}"

    def command(self, words, user=None):
        """A command on this machine, to be run by this process. The program is one of nasflow's, or a full path."""
        user = self.user if user is None else user
        program = words[0] if words[0].startswith("/") else str(self.bin / words[0])
        inside = in_root(self.root, [program, *words[1:]], f"{user}:{user}")
        return self.link.enter(inside) if self.link else inside

    def start(self, words, log, user=None, **variables):
        """Start a server on this machine; its process id is that of the process."""
        environment = {**self.variables, **variables}
        return processes.start(self.command(words, user), self.logs / f"{log}.log", environment)

    def run(self, words, *, user=None, text="", **variables):
        """Run a command on this machine; its exit code and outputs."""
        environment = {**self.variables, **variables}
        return subprocess.run(
            self.command(words, user), input=text, capture_output=True, text=True, check=False, env=environment
        )
