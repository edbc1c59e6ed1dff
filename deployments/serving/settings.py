"""Settings of the server, from the environment (prefix ``NASFLOW_SERVE_``)."""

import ipaddress

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from tasks.errors import BadRequest


class ServeSettings(BaseSettings):
    """How a model is served."""

    model_config = SettingsConfigDict(
        env_prefix="NASFLOW_SERVE_", frozen=True, env_ignore_empty=True, allow_inf_nan=False
    )

    api_key: SecretStr = Field(
        default=SecretStr(""), description="What clients have to send; empty: only this machine is listened to."
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on; 0.0.0.0 for all of this machine.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on; 0 for one that is free.")
    max_image_mb: float = Field(default=20, gt=0, description="Largest request that is taken, in MB.")
    queue: int = Field(default=32, ge=0, description="Images that wait to be computed; more are refused.")
    timeout: float = Field(default=10, gt=0, description="Seconds without a byte until a request is given up.")
    follow_seconds: float = Field(default=5, gt=0, description="Seconds between two looks at the alias.")


def check_reach(settings: ServeSettings) -> None:
    """Check that other machines are listened to only with a key.

    Raises:
        BadRequest: they would be without one.
    """
    if not settings.api_key.get_secret_value() and not _is_loopback(settings.host):
        raise BadRequest(
            f"--host {settings.host}: other machines could ask without a key; set NASFLOW_SERVE_API_KEY, or listen on "
            "127.0.0.1"
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # a name, which may lead anywhere
