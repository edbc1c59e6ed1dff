"""Where the API is: the region and the address that are asked for, and never another region's.

The ``roboflow`` package reads ROBOFLOW_REGION, ROBOFLOW_ENVIRONMENT and API_URL from the environment, or from the file
that its login writes. What it does not know it takes for the United States; here it is refused, since the key would be
sent there. It takes any API_URL; other programs have a variable of that name, so here it has to be one of Roboflow's.
"""

from typing import Any
from urllib.parse import urlsplit

from tasks.errors import BadSettings
from tasks.labeling.roboflow.patches import package_config
from tasks.local.urls import shown_url, url_problem

VARIABLE = "NASFLOW_ROBOFLOW_API_URL"


def api_address(url: str) -> str:
    """The address of Roboflow's API.

    Args:
        url: The setting NASFLOW_ROBOFLOW_API_URL; empty for the address of the region.

    Returns:
        The base URL, without a slash at the end.

    Raises:
        BadSettings: an unknown region, no URL, or a URL of another region than is asked for.
    """
    try:
        config = package_config()
        region = _choice(config, "ROBOFLOW_REGION", config.SUPPORTED_REGIONS)
        environment = _choice(config, "ROBOFLOW_ENVIRONMENT", config.SUPPORTED_ENVIRONMENTS)
        packages_url = config.get_conditional_configuration_variable("API_URL", "")
    except (AttributeError, OSError, TypeError, ValueError):
        unreadable = True
    else:
        unreadable = False
    if unreadable:  # raised here, without the context, which may show keys of the file
        raise BadSettings(
            "the settings file of the roboflow package cannot be read; correct or remove "
            "~/.config/roboflow/config.json, or the file that ROBOFLOW_CONFIG_DIR names"
        )
    asked = (region or config.DEFAULT_REGION, environment or config.DEFAULT_ENVIRONMENT)
    variable, chosen = (VARIABLE, url) if url else ("API_URL", packages_url)
    if not chosen:
        return _address(config, *asked)
    if problem := url_problem(chosen):
        raise BadSettings(f"{variable} is {problem}")
    _refuse_elsewhere(config, variable, chosen, asked if region or environment else None)
    return str(chosen).rstrip("/")


def _choice(config: Any, variable: str, supported: tuple[str, ...]) -> str:
    """A setting of the package; empty if it is not set."""
    value = config.get_conditional_configuration_variable(variable, "")
    choice = value.strip().lower()
    if value and choice not in supported:
        raise BadSettings(f"{variable} is {value!r}; set it to {' or '.join(supported)}, or unset it")
    return str(choice)


def _address(config: Any, region: str, environment: str) -> str:
    address: str = config.SERVICE_URL_OVERRIDES[region, environment].get("API_URL", config.URL_DEFAULTS["API_URL"])
    return address


def _refuse_elsewhere(config: Any, variable: str, url: str, asked: tuple[str, str] | None) -> None:
    """Refuse a URL of another region than ``asked``, and a package's URL that is not one of Roboflow's."""
    places = {urlsplit(_address(config, *place)).hostname: place for place in config.SERVICE_URL_OVERRIDES}
    place = places.get(urlsplit(url).hostname)
    if asked and place and place != asked:
        raise BadSettings(
            f"{variable} is {shown_url(url)}, of Roboflow's {' '.join(place)}, and ROBOFLOW_REGION or "
            f"ROBOFLOW_ENVIRONMENT asks for {' '.join(asked)}; unset one of them"
        )
    if variable != VARIABLE and not place:
        raise BadSettings(
            f"{variable} is {shown_url(url)}, which the roboflow package would send the key to; "
            f"set {VARIABLE} to it if it is meant for Roboflow, or to Roboflow's own address"
        )
