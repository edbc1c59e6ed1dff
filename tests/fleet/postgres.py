"""A real PostgreSQL server in a temporary folder, reached by a socket in that folder alone."""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from deployments.local_stack import processes
from tests.fakes.waiting import wait_for

USER = "postgres"
"""Who runs it if this process is root, since PostgreSQL refuses root. Debian's package makes this user."""
DATABASE = "postgres"


class Postgres:
    """A server as a context manager, with the settings that it has by default."""

    def __init__(self) -> None:
        binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        found = shutil.which("postgres")
        if not binaries and not found:
            raise SystemExit("error: no PostgreSQL here; on Debian: apt-get install postgresql")
        self._binaries = binaries[-1] if binaries else Path(str(found)).parent
        self.folder = Path(tempfile.mkdtemp(prefix="nasflow-fleet-postgres-"))
        self._as_user = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"] if os.getuid() == 0 else []
        if self._as_user:
            shutil.chown(self.folder, USER, USER)
            # The kernel forgets to end a process with its parent when the process changes its user.
            self._as_user = [*self._as_user, "--pdeathsig", "INT"]

    def __enter__(self) -> "Postgres":
        options = ["--username", USER, "--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8"]
        command = [*self._as_user, str(self._binaries / "initdb"), "--pgdata", str(self.folder / "data"), *options]
        subprocess.run(command, check=True, capture_output=True, cwd=self.folder)
        command = [*self._as_user, str(self._binaries / "postgres"), "-D", str(self.folder / "data")]
        command += ["-k", str(self.folder), "-c", "listen_addresses=", "-c", "max_connections=200"]
        setpriv = [str(shutil.which(command[0])), *command[1:]]
        self.process = processes.start(setpriv, self.folder / "log", dict(os.environ), cwd=self.folder)
        wait_for(lambda: self._answers(), "PostgreSQL", pause=0.1)
        self.query("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGINT)  # a fast shutdown
        self.process.wait(60)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def url(self) -> str:
        """The database as Prefect's server names it."""
        return f"postgresql+asyncpg://{USER}@/{DATABASE}?host={self.folder}"

    def query(self, sql: str) -> str:
        """The answer to a query, as text."""
        command = [*self._as_user, str(self._binaries / "psql"), "-h", str(self.folder), "-U", USER, "-d", DATABASE]
        done = subprocess.run([*command, "-tAc", sql], capture_output=True, text=True, check=True, cwd=self.folder)
        return done.stdout.strip()

    def size(self) -> int:
        """Bytes of the database, after dead rows are marked as free."""
        return int(self.query(f"SELECT pg_database_size('{DATABASE}')"))

    def _answers(self) -> bool:
        assert self.process.poll() is None, (self.folder / "log").read_text()
        try:
            return self.query("SELECT 1") == "1"
        except subprocess.CalledProcessError:
            return False
