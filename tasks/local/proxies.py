"""Which HTTP proxy the environment names for a URL, and keeping servers of this machine out of its way."""

import os
from collections.abc import MutableMapping
from typing import NamedTuple
from urllib.parse import urlsplit

LOOPBACK = "127.0.0.1,localhost,::1"
PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy")
NO_PROXY_VARIABLES = ("no_proxy", "NO_PROXY")


class Proxy(NamedTuple):
    """A proxy, without its credentials."""

    variable: str
    """The environment variable that names it."""
    address: str


def keep_loopback_direct(environment: MutableMapping[str, str] = os.environ) -> None:
    """Add this machine's own addresses to NO_PROXY, if the environment names a proxy.

    Servers on loopback are never behind a proxy. Call it before any client is made.
    """
    if not any(environment.get(name) or environment.get(name.upper()) for name in PROXY_VARIABLES):
        return  # NO_PROXY alone would hide the proxies that macOS has in its own settings
    values = [environment.get(name) for name in NO_PROXY_VARIABLES]
    for name, value, other in zip(NO_PROXY_VARIABLES, values, reversed(values), strict=True):
        hosts = [host.strip() for host in (value or other or "").split(",") if host.strip()]
        if hosts != ["*"]:
            missing = [host for host in LOOPBACK.split(",") if host not in hosts]
            environment[name] = ",".join([*hosts, *missing])


def proxy_for(url: str) -> Proxy | None:
    """The proxy through which a request to this URL goes; None if it goes directly."""
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(url)
    proxies = getproxies()
    scheme = next((scheme for scheme in (parts.scheme, "all") if proxies.get(scheme)), None)
    if scheme is None or proxy_bypass(parts.hostname or ""):
        return None
    names = (f"{scheme}_proxy", f"{scheme}_PROXY", f"{scheme}_proxy".upper())
    variable = next((name for name in names if os.environ.get(name)), "the system's settings")
    proxy = proxies[scheme]
    address = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    return Proxy(variable, f"{address.scheme}://{address.netloc.rpartition('@')[2]}")


def describe_proxy(url: str, service: str) -> str | None:
    """Say which proxy is between this machine and a service, and what to do about it.

    Args:
        url: Address of the service.
        service: What people call it, such as "the store".

    Returns:
        Words for the end of an error's message; None if requests go directly.
    """
    if (proxy := proxy_for(url)) is None:
        return None
    return (
        f"a proxy is in between: {proxy.variable} names {proxy.address}; "
        f"if {service} can be reached without it, add {urlsplit(url).hostname} to NO_PROXY, else ask who runs it"
    )
