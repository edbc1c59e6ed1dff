#!/usr/bin/env bash
# botocore 1.44.8: most of the time of a listing goes by reading dates, which nobody may look at.
#
# One would guess: to list objects takes as long as the store takes to answer, and as the XML takes to be parsed by expat.
#   A date is one of five values of an object, always in the form of ISO 8601, and costs what datetime.fromisoformat costs.
# Seen: each LastModified goes through dateutil's parser, which guesses the form of a date. With a store that answers at
#   once, listing 20,000 objects takes 0.45 of its processor time when datetime.fromisoformat reads the dates: the
#   component "response_parser_factory" of a botocore session takes a timestamp_parser. The objects are equal.
# Why it matters: registries of models, caches of images and checkpoints are prefixes of tens of thousands of small objects,
#   and cleaning and backing up list all of them. That is limited by one Python thread, and more threads do not help, since
#   all of it is pure Python under one lock.
set -euo pipefail
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
python3.11 -m venv "$here/venv"
"$here/venv/bin/pip" install --quiet --disable-pip-version-check boto3==1.44.8 botocore==1.44.8 python-dateutil==2.9.0.post0

"$here/venv/bin/python" - <<'PYTHON'
import sys
import threading
import time
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import median

import boto3
import botocore.session

PAGES = 20
CONTENTS = "".join(
    f"<Contents><Key>runs/{number:06}/history.jsonl</Key><LastModified>2026-11-28T09:{number % 60:02}:07.000Z</LastModified>"
    f"<ETag>&quot;{number:032x}&quot;</ETag><Size>{number}</Size><StorageClass>STANDARD</StorageClass></Contents>"
    for number in range(1000)
)


class Store(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        page = int(self.path.partition("continuation-token=")[2].partition("&")[0] or 1)
        more = page < PAGES
        token = f"<NextContinuationToken>{page + 1}</NextContinuationToken>" if more else ""
        body = (
            '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>'
            f"<KeyCount>1000</KeyCount><IsTruncated>{str(more).lower()}</IsTruncated>{token}{CONTENTS}</ListBucketResult>"
        ).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/xml")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def client(**parsers: object) -> object:
    session = botocore.session.Session()
    session.get_component("response_parser_factory").set_parser_defaults(**parsers)
    return boto3.Session("x", "x", region_name="us-east-1", botocore_session=session).client(
        "s3", endpoint_url=f"http://127.0.0.1:{server.server_port}", config=boto3.session.Config(s3={"addressing_style": "path"})
    )


def listed(one: object) -> tuple[float, list[dict]]:
    began = time.thread_time()  # the store is in another thread
    found = [entry for page in one.get_paginator("list_objects_v2").paginate(Bucket="b") for entry in page["Contents"]]
    return time.thread_time() - began, found


server = ThreadingHTTPServer(("127.0.0.1", 0), Store)
threading.Thread(target=server.serve_forever, daemon=True).start()
default, other = client(), client(timestamp_parser=datetime.fromisoformat)
rounds = [(listed(default), listed(other)) for _ in range(5)]
as_it_is, by_iso = (median(one[side][0] for one in rounds) for side in (0, 1))
are_equal = all(one[0][1] == one[1][1] for one in rounds)
print("botocore", botocore.__version__)
print(f"{PAGES * 1000} objects, processor time: {as_it_is:.2f} s, with another timestamp_parser {by_iso:.2f} s", end="")
print(f" ({by_iso / as_it_is:.2f} of it); equal: {are_equal}")
good = are_equal and len(rounds[0][0][1]) == PAGES * 1000 and by_iso < as_it_is * 2 / 3
print("as described" if good else "CHANGED")
sys.exit(not good)
PYTHON
