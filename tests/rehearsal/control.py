"""The control side of a rehearsal: PostgreSQL, Prefect, the store with a key for each role, TLS in front, a worker.

What compose.yaml starts is started here with the same variables and the same Caddyfile, each as a process. All servers
listen on the loopback interface, and Caddy alone on all addresses.
"""

import base64
import json
import re
import secrets
import shutil
import subprocess
import urllib.request
from contextlib import ExitStack, suppress
from pathlib import Path

import yaml

from deployments.local_stack import processes
from tasks.storage.s3 import Store
from tests.fakes.store_roles import store_with_roles
from tests.fakes.waiting import wait_for
from tests.rehearsal.machine import Machine
from tests.rehearsal.network import NAME
from tests.rehearsal.postgres import Postgres
from tests.rehearsal.root import REPOSITORY

COMPOSE = REPOSITORY / "infra" / "compose"
PREFECT_PORT = 4200
STOP_SECONDS = 30


class Control:
    """The control side, as a context manager.

    Args:
        root: Root with nasflow and PostgreSQL installed.
        folder: Folder of the rehearsal.
    """

    def __init__(self, root: Path, folder: Path) -> None:
        self._folder = folder
        loopback = dict.fromkeys((NAME, "postgres", "prefect", "store"), "127.0.0.1")
        self.machine = Machine("control", root, folder, hosts=loopback)
        self.secrets = {
            name: secrets.token_hex(20)
            for name in ("PREFECT_PASSWORD", "POSTGRES_PASSWORD", "NASFLOW_ROBOFLOW_API_KEY")
        }
        self.auth = f"fleet:{self.secrets['PREFECT_PASSWORD']}"
        self.postgres = Postgres(self.machine, self.secrets["POSTGRES_PASSWORD"])
        self._running = ExitStack()
        self._servers: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> "Control":
        return self

    def __exit__(self, *_):
        for name in reversed(list(self._servers)):
            self.stop(name)
        self._running.close()

    def start_store(self):
        """Start SeaweedFS with the policies that infra/policies renders."""
        folder = self._folder / "store"
        folder.mkdir()
        self.settings = self._running.enter_context(store_with_roles(folder))
        self.store = Store(self.settings["administrator"].model_copy(update={"prefix": self.settings["worker"].prefix}))
        for role, settings in self.settings.items():
            self.secrets[f"store key of {role}"] = settings.secret_access_key.get_secret_value()

    def start_postgres(self):
        """Start PostgreSQL."""
        self._servers["postgres"] = self.postgres.start()

    def start_prefect(self):
        """Start Prefect's server as Compose does, and wait until it answers."""
        service = yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"]["prefect"]
        values = {
            "POSTGRES_PASSWORD": self.secrets["POSTGRES_PASSWORD"],
            "PREFECT_AUTH": self.auth,
            "NASFLOW_HOST": NAME,
        }
        variables = {
            name: re.sub(r"\$\{(\w+)[^}]*\}", lambda match: values[match[1]], value)
            for name, value in service["environment"].items()
        }
        command = ["prefect", "server", "start", "--host", "127.0.0.1"]
        self._servers["prefect"] = self.machine.start(command, "prefect", **variables)
        wait_for(lambda: self._ask("/health"), "Prefect's server", seconds=300)

    def start_caddy(self):
        """Start Caddy with the Caddyfile of Compose."""
        shutil.copy(shutil.which("caddy") or "caddy", self.machine.work / "caddy")
        shutil.copy(COMPOSE / "Caddyfile", self.machine.work / "Caddyfile")
        variables = {
            "NASFLOW_HOST": NAME, "TLS": "internal", "PREFECT_ADDRESS": f"127.0.0.1:{PREFECT_PORT}",
            "STORE_ADDRESS": self.settings["control"].endpoint.removeprefix("http://"),
            "XDG_DATA_HOME": "/work/caddy-data", "XDG_CONFIG_HOME": "/work/caddy-config",
        }  # fmt: skip
        command = ["/work/caddy", "run", "--config", "/work/Caddyfile", "--adapter", "caddyfile"]
        self._servers["caddy"] = self.machine.start(command, "caddy", **variables)
        wait_for(self.authority.exists, "Caddy's authority", seconds=60)

    @property
    def authority(self) -> Path:
        """Certificate of Caddy's own authority."""
        return self.machine.work / "caddy-data" / "caddy" / "pki" / "authorities" / "local" / "root.crt"

    def start_worker(self):
        """Start the worker of the pool default, as the image does."""
        command = ["nasflow", "worker", "--pool", "default"]
        self._servers["control worker"] = self.machine.start(command, "control-worker", **self.client("control"))
        wait_for(lambda: self.online("default"), "the control worker", seconds=120)

    def stop(self, name):
        """End a server by its own process id."""
        processes.stop(self._servers.pop(name), STOP_SECONDS)

    def client(self, role, *, remote=False):
        """Variables of a machine that uses this control side.

        Args:
            role: Whose store keys it has.
            remote: Whether it is another machine, which comes through TLS.
        """
        settings = self.settings[role]
        endpoint, api = settings.endpoint, f"http://prefect:{PREFECT_PORT}/api"
        if remote:
            endpoint, api = f"https://{NAME}:8333", f"https://{NAME}/api"
        return {
            "PREFECT_API_URL": api, "PREFECT_API_AUTH_STRING": self.auth,
            "NASFLOW_STORE_ENDPOINT": endpoint, "NASFLOW_STORE_PUBLIC_ENDPOINT": f"https://{NAME}:8333",
            "NASFLOW_STORE_BUCKET": settings.bucket, "NASFLOW_STORE_PREFIX": settings.prefix,
            "NASFLOW_STORE_ACCESS_KEY_ID": settings.access_key_id,
            "NASFLOW_STORE_SECRET_ACCESS_KEY": settings.secret_access_key.get_secret_value(),
            **({} if remote else {"NASFLOW_ROBOFLOW_API_KEY": self.secrets["NASFLOW_ROBOFLOW_API_KEY"]}),
        }  # fmt: skip

    def nasflow(self, *arguments, code=0):
        """Run the command on the control side with ``--json``, and give its document."""
        done = self.machine.run(["nasflow", *arguments, "--json"], **self.client("control"))
        assert done.returncode == code, f"nasflow {arguments[0]} ended with {done.returncode}: {done.stderr[-2000:]}"
        return json.loads(done.stdout)

    def api(self, path, body=None):
        """Prefect's answer."""
        token = base64.b64encode(self.auth.encode()).decode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{PREFECT_PORT}/api{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Basic {token}"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or "null")

    def online(self, pool):
        """Names of the workers of a pool that are online."""
        workers = self.api(f"/work_pools/{pool}/workers/filter", {})
        return {worker["name"] for worker in workers if worker["status"] == "ONLINE"}

    def _ask(self, path):
        assert self._servers["prefect"].poll() is None, (self.machine.logs / "prefect.log").read_text()[-3000:]
        with suppress(OSError):
            return self.api(path)
