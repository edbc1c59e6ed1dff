"""Settings from the environment (prefix ``NASFLOW_``): addresses, credentials, and how this machine works.

They are never flow parameters, which Prefect stores and shows. Secrets are ``SecretStr``, so that no repr or log shows
them.
"""

from pathlib import Path
from typing import Literal, TypeVar

from pydantic import AliasChoices, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from tasks.errors import BadSettings
from tasks.records import MachineOptions

TRAINER = "tasks.training.worker"
"""The trainer's module, unless NASFLOW_TRAINER names another one."""


class StoreSettings(BaseSettings):
    """The S3-compatible store. An empty endpoint is refused: it never means AWS."""

    model_config = SettingsConfigDict(env_prefix="NASFLOW_STORE_", frozen=True, env_ignore_empty=True)

    endpoint: str = Field(default="", description="URL of the S3 API.")
    bucket: str = Field(default="", description="Bucket name.")
    prefix: str = Field(default="", description="Put before every key, such as team-a/.")
    region: str = Field(default="us-east-1", description="Region that signatures name.")
    access_key_id: str = Field(default="", description="Empty: boto3's own chain (profile, instance role).")
    secret_access_key: SecretStr = Field(default=SecretStr(""), description="Belongs to the access key id.")
    ca_bundle: Path | None = Field(default=None, description="PEM file of the store's own certificate authority.")
    checksums: Literal["auto", "when_required", "when_supported"] = Field(
        default="auto", description="boto3's request and response checksums; auto: when_required except on AWS."
    )
    encryption: Literal["AES256", "aws:kms"] | None = Field(
        default=None, description="Server-side encryption that every write asks for; empty: what the bucket does."
    )
    encryption_key_id: str = Field(default="", description="Key for aws:kms, by id or ARN; empty: the store's own key.")
    public_endpoint: str = Field(
        default="", description="URL of the S3 API for browsers, in links to reports; empty: the endpoint."
    )


class RoboflowSettings(BaseSettings):
    """Roboflow's API."""

    model_config = SettingsConfigDict(
        env_prefix="NASFLOW_ROBOFLOW_", frozen=True, env_ignore_empty=True, allow_inf_nan=False, populate_by_name=True
    )

    api_key: SecretStr = Field(
        default=SecretStr(""),
        validation_alias=AliasChoices("NASFLOW_ROBOFLOW_API_KEY", "ROBOFLOW_API_KEY"),
        description="Private API key.",
    )
    api_keys: dict[str, SecretStr] = Field(
        default_factory=dict,
        description="Keys of further workspaces, as JSON: names of workspaces with their keys. They come first.",
    )
    api_url: str = Field(
        default="", description="Base URL of the API; empty: that of ROBOFLOW_REGION (us or eu), us without one."
    )
    timeout: float = Field(default=60, gt=0, description="Seconds without a byte until a request is given up.")
    deadline: float = Field(
        default=1800,
        gt=0,
        description="Seconds until an export that is not ready, or the upload of an image, is given up.",
    )


class WorkSettings(MachineOptions, BaseSettings):
    """This machine: its folders, and how it trains."""

    model_config = SettingsConfigDict(env_prefix="NASFLOW_", frozen=True, env_ignore_empty=True, allow_inf_nan=False)

    work_dir: Path = Field(
        default_factory=lambda: Path.home() / ".cache" / "nasflow",
        description="Folder for runs in progress and fetched images.",
    )
    coco_weights_url: str = Field(
        default="https://d2gjn4b69gu75n.cloudfront.net/models",
        pattern=r"^https?://[^\s\[\]]+$",
        description="URL of the folder with super-gradients' COCO weights; a mirror of your own has the same files.",
    )
    cache_gb: float = Field(
        default=50, ge=0, description="Images kept from run to run, in GB; the least recently used go first."
    )
    lease_seconds: float = Field(default=60, ge=3, description="A run's owner counts as dead after this long silence.")
    trainer_attempts: int = Field(default=3, ge=1, description="Times a killed trainer is started in one flow run.")
    speed_measures: bool = Field(
        default=True, description="Tune the C library's memory for training; results are the same without."
    )
    trainer: str = Field(
        default=TRAINER,
        pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$",
        description="Module of the trainer's process; tests of what is around it name one that computes nothing.",
    )

    @property
    def machine(self) -> MachineOptions:
        """What the trainer is told of this machine."""
        return MachineOptions(**{name: getattr(self, name) for name in MachineOptions.model_fields})


Settings = TypeVar("Settings", bound=BaseSettings)


def from_environment(kind: type[Settings]) -> Settings:
    """Read settings of one kind from the environment.

    Raises:
        BadSettings: a variable has an invalid value; the message names the variable, and shows no secret.
    """
    prefix = kind.model_config.get("env_prefix", "")
    unreadable = None
    try:
        return kind()
    except SettingsError as error:
        unreadable = next((name for name in kind.model_fields if f'"{name}"' in str(error)), "")
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        name = f"{prefix}{first['loc'][0]}".upper() if first["loc"] else prefix
        raise BadSettings(f"environment variable {name}: {first['msg']}; correct it and start again") from None
    # Raised here, without the context, which holds the value.
    variable = f"{prefix}{unreadable}".upper()
    raise BadSettings(f"environment variable {variable}: not JSON; correct it and start again")
