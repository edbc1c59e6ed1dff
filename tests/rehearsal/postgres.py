"""PostgreSQL of a control side: a database that asks for a password, on the loopback interface."""

import os

from tests.fakes.waiting import wait_for

USER = DATABASE = "prefect"


class Postgres:
    """A server, and its client programs.

    Args:
        machine: Machine that has it installed.
        password: Password of the user ``prefect``, who may do everything.
    """

    def __init__(self, machine, password):
        self._machine, self._password = machine, password
        self._bin = max(machine.root.glob("usr/lib/postgresql/*/bin")).relative_to(machine.root)
        users = dict(line.split(":")[:3:2] for line in (machine.root / "etc" / "passwd").read_text().splitlines())
        self._user = int(users["postgres"])
        self.variables = {
            "PGHOST": "127.0.0.1", "PGUSER": USER, "PGPASSWORD": password, "PGDATABASE": DATABASE,
        }  # fmt: skip

    def start(self):
        """Make the database, start the server, and wait until it answers; its process."""
        folder = self._machine.work / "postgres"
        folder.mkdir()
        (folder / "password").write_text(self._password)
        for path in (folder, folder / "password"):
            os.chown(path, self._user, self._user)
        folder.chmod(0o700)
        self._machine.work.chmod(0o755)
        made = self._run(
            "initdb", "--pgdata=/work/postgres/data", f"--username={USER}", "--pwfile=/work/postgres/password",
            "--auth=scram-sha-256", "--no-sync",
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        (folder / "password").unlink()
        command = [
            f"/{self._bin}/postgres", "-D", "/work/postgres/data", "-k", "/work/postgres",
            "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off",
        ]  # fmt: skip
        process = self._machine.start(command, "postgres", user=self._user)
        wait_for(lambda: self._run("pg_isready").returncode == 0, "PostgreSQL", seconds=60)
        self.ask(f"create database {DATABASE}", database="postgres")
        return process

    def ask(self, statement, database=DATABASE):
        """What a statement of SQL answers, a line a row."""
        done = self._run("psql", "--no-psqlrc", "--tuples-only", "--no-align", f"--dbname={database}", "-c", statement)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def _run(self, program, *arguments):
        return self._machine.run([f"/{self._bin}/{program}", *arguments], user=self._user, **self.variables)
