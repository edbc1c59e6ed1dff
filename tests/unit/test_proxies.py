"""Proxies that the environment names: for which URLs, without credentials, and never for loopback."""

import shlex
import subprocess

import pytest

from deployments.local_stack.stack import NO_PROXY_LINE
from tasks.local.proxies import LOOPBACK, keep_loopback_direct, proxy_for

NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("variable", "value", "url", "address"),
    [
        ("HTTP_PROXY", "http://me:secret@proxy:3128", "http://server:4200/api", "http://proxy:3128"),
        ("http_proxy", "proxy:3128", "http://server:4200/api", "http://proxy:3128"),
        ("HTTPS_PROXY", "http://proxy:3128/", "https://server/api", "http://proxy:3128"),
        ("ALL_PROXY", "socks5://me:secret@proxy:1080", "https://server/api", "socks5://proxy:1080"),
    ],
)
def test_the_proxy_of_a_url_is_named_without_credentials(monkeypatch, variable, value, url, address):
    assert proxy_for(url) is None
    monkeypatch.setenv(variable, value)
    assert proxy_for(url) == (variable, address)
    monkeypatch.setenv("NO_PROXY", "other,server")
    assert proxy_for(url) is None


def test_a_proxy_for_another_scheme_is_not_used(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    assert proxy_for("http://server/api") is None


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_loopback_never_goes_through_a_proxy(monkeypatch, variable, host):
    monkeypatch.setenv(variable, "http://proxy:3128")
    assert proxy_for(f"http://{host}:4200/api") is not None
    # Set first, so that they are taken back after the test.
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "")
    keep_loopback_direct()
    assert proxy_for(f"http://{host}:4200/api") is None
    assert proxy_for("http://server:4200/api") is not None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, (LOOPBACK, LOOPBACK)),
        ({"NO_PROXY": "intra"}, (f"intra,{LOOPBACK}", f"intra,{LOOPBACK}")),
        ({"no_proxy": "a, localhost", "NO_PROXY": "b"}, ("a,localhost,127.0.0.1,::1", f"b,{LOOPBACK}")),
        ({"NO_PROXY": "*"}, (None, "*")),
    ],
)
def test_what_no_proxy_says_already_stays(before, after):
    environment = {"HTTP_PROXY": "http://proxy:3128", **before}
    for _ in range(2):
        keep_loopback_direct(environment)
        assert (environment.get("no_proxy"), environment.get("NO_PROXY")) == after


def test_without_a_proxy_nothing_is_set():
    environment = {"NO_PROXY": "intra"}
    keep_loopback_direct(environment)
    assert environment == {"NO_PROXY": "intra"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, f",{LOOPBACK}"),
        ({"NO_PROXY": "intra"}, f"intra,{LOOPBACK}"),
        ({"no_proxy": "a", "NO_PROXY": "b"}, f"a,{LOOPBACK}"),
        ({"no_proxy": "*"}, "*"),
    ],
)
def test_the_line_of_env_sh_merges_too_and_can_be_read_twice(before, after):
    script = f'set -eu\n{NO_PROXY_LINE}{NO_PROXY_LINE}printf \'%s\\n\' "$no_proxy" "${{NO_PROXY:-}}"'
    done = subprocess.run(["/bin/sh", "-c", script], env=before, capture_output=True, text=True, check=True)
    assert shlex.split(done.stdout) == ([after, after] if after != "*" else ["*"])
