"""Whether a signed link can be read without credentials, found out by trying."""

import ssl
import urllib.error
import urllib.request
import uuid
from http.client import HTTPException
from pathlib import Path

from tasks.errors import StoreError
from tasks.storage import keys
from tasks.storage.s3 import Store

_SECONDS = 60
_TIMEOUT = 10.0
_CONTENT = b"linked"


def probe_link(store: Store, ca_bundle: Path | None) -> None:
    """Write an object, read it by a link as a browser would, and delete it.

    The link goes to NASFLOW_STORE_PUBLIC_ENDPOINT if that is set.

    Args:
        store: The store.
        ca_bundle: PEM file of its own certificate authority.

    Raises:
        StoreError: the link cannot be read, or gives something else; the message does not show the link.
        BadSettings, StoreUnavailable: as for any other request.
    """
    key = keys.probe(uuid.uuid4().hex)
    store.put(key, _CONTENT)
    try:
        problem = _problem(store.link(key, _SECONDS).url, ca_bundle)
    finally:
        store.delete([key])
    if problem:
        raise StoreError(
            f"{store.uri(key)}: a signed link to it {problem}; set NASFLOW_STORE_PUBLIC_ENDPOINT to the URL that "
            "browsers reach, and see that the store takes signatures in URLs"
        )


def _problem(url: str, ca_bundle: Path | None) -> str | None:
    context = ssl.create_default_context(cafile=str(ca_bundle) if ca_bundle else None)
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT, context=context) as answer:  # noqa: S310 - checked URL
            return None if answer.read(len(_CONTENT) + 1) == _CONTENT else "gives other bytes than were written"
    except urllib.error.HTTPError as error:
        return f"is answered with HTTP {error.code}"
    except (OSError, HTTPException, ValueError) as error:
        return f"gets no answer ({type(error).__name__})"
