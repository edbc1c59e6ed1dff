"""Checks of the store and of Roboflow's key."""

from deployments.doctor.check import Check, attempt, check
from tasks.labeling.roboflow.address import api_address
from tasks.settings import RoboflowSettings, from_environment
from tasks.storage.probe import probe
from tasks.storage.s3 import Store


def store() -> Check:
    """Whether the store reads, writes and keeps conditions."""
    return attempt("store", _probe_store, "set the NASFLOW_STORE_ variables as the README says")


def _probe_store() -> str:
    connected = Store.from_environment()
    probe(connected)
    return f"{connected.uri('')} reads, writes, and keeps conditions"


def roboflow() -> Check:
    """Whether there is a key for Roboflow, and where it is sent."""
    settings = from_environment(RoboflowSettings)
    if settings.api_key.get_secret_value():
        return check("roboflow", "ok", f"an API key is set, for {api_address(settings.api_url)}")
    return check("roboflow", "warning", "no API key", "set ROBOFLOW_API_KEY, unless you use exports from disk")
