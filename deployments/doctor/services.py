"""Checks of the store and of Roboflow's key."""

from deployments.doctor.check import Check, attempt, check
from deployments.remote.server import first_line
from tasks.errors import NasflowError
from tasks.labeling.roboflow.address import api_address
from tasks.settings import RoboflowSettings, StoreSettings, from_environment
from tasks.storage.link_probe import probe_link
from tasks.storage.probe import probe
from tasks.storage.s3 import Store


def store() -> Check:
    """Whether the store reads, writes and keeps conditions."""
    return attempt("store", _probe_store, "set the NASFLOW_STORE_ variables as docs/operating.md says, Your own store")


def _probe_store() -> str:
    connected = Store.from_environment()
    probe(connected)
    return f"{connected.uri('')} reads, writes, lists, and keeps conditions"


def links() -> Check:
    """Whether a signed link, as reports are shown by, can be read from this machine."""
    try:
        connected = Store.from_environment()
        probe_link(connected, from_environment(StoreSettings).ca_bundle)
    except NasflowError as error:
        return check("links", "warning", first_line(error), "links to reports may not work; runs do not need them")
    return check("links", "ok", f"signed links to {connected.uri('')} can be read from this machine")


def roboflow() -> Check:
    """Whether there is a key for Roboflow, and where it is sent."""
    settings = from_environment(RoboflowSettings)
    keys_set = [key for key in (settings.api_key, *settings.api_keys.values()) if key.get_secret_value()]
    if keys_set:
        number = "an API key is" if len(keys_set) == 1 else f"{len(keys_set)} API keys are"
        return check("roboflow", "ok", f"{number} set, for {api_address(settings.api_url)}")
    return check("roboflow", "warning", "no API key", "set ROBOFLOW_API_KEY, unless you use exports from disk")
