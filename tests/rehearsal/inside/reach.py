"""Runs on a worker's machine with Python alone: what becomes of connections, name lookups and requests to the API.

The argument is JSON; the answer is JSON: for each thing that was tried, how it was refused, or null.
"""

import json
import socket
import ssl
import sys
import urllib.error
import urllib.request

SECONDS = 3


def connect(address, port):
    """How a connection was refused, or None."""
    try:
        socket.create_connection((address, port), timeout=SECONDS).close()
    except OSError as error:
        return error.strerror or type(error).__name__
    return None


def look_up(name):
    """How looking up a name was refused, or None."""
    try:
        socket.getaddrinfo(name, 443)
    except OSError as error:
        return str(error)
    return None


def request(url, authority, authorization):
    """How a request was refused, or None."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # knows no authority
    if authority:
        context.load_verify_locations(authority)
    asked = urllib.request.Request(url, headers={"Authorization": authorization} if authorization else {})
    try:
        urllib.request.urlopen(asked, timeout=30, context=context).close()
    except urllib.error.HTTPError as error:
        return f"HTTP {error.code}"
    except urllib.error.URLError as error:
        return str(error.reason)
    return None


if __name__ == "__main__":
    kinds = {"connect": connect, "look_up": look_up, "request": request}
    print(json.dumps([kinds[kind](*arguments) for kind, *arguments in json.loads(sys.argv[1])]))
