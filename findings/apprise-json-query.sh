#!/usr/bin/env bash
# Apprise 2.0.1: json:// sends to another address than the one it is given, if that has a query.
#
# One would guess: json://HOST:PORT/in?job=3 posts to http://HOST:PORT/in?job=3. A query is a part of an address, and what
#   Apprise does not know it would leave, or refuse.
# Seen: it posts to /in. Parameters that it has no option for are dropped without a word, and notify() returns True.
#   Those of which it has one, such as port, change where it sends. A parameter is sent if a dash is put before its name; of
#   two of the same name, the last one alone.
# Why it matters: webhooks of this field keep who is told in the query (a job, a room, a run). Prefect hands the address of its
#   notification blocks to Apprise as it is. So the block is saved, the automation fires, and the message goes elsewhere.
set -euo pipefail
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
python3.11 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check apprise==2.0.1

"$here/venv/bin/python" - <<'PYTHON'
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import apprise

seen: list[str] = []


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        seen.append(f"{self.server.server_port} {self.path}")
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


servers = [HTTPServer(("127.0.0.1", 0), Receiver) for _ in range(2)]
for server in servers:
    threading.Thread(target=server.serve_forever, daemon=True).start()
given, other = (server.server_port for server in servers)
print("Apprise", apprise.__version__)
expected = {
    "job=3": f"{given} /in",
    "job=3&room=a": f"{given} /in",
    f"port={other}": f"{other} /in",
    "-job=3": f"{given} /in?job=3",
    "-job=3&-job=4": f"{given} /in?job=4",
}
as_described = True
for query, wanted in expected.items():
    seen.clear()
    said = apprise.Apprise.instantiate(f"json://127.0.0.1:{given}/in?{query}").notify(body="done")
    readable = query.replace(str(other), "OTHER")
    arrived = seen[0].replace(str(given), "GIVEN").replace(str(other), "OTHER") if seen else "nothing"
    print(f"json://HOST:GIVEN/in?{readable:14} notify() said {said}, arrived: {arrived}")
    as_described &= bool(said) and seen == [wanted]
print("as described" if as_described else "CHANGED")
sys.exit(not as_described)
PYTHON
