"""Checks of the store's settings, before any request is made."""

from urllib.parse import urlsplit

from tasks.errors import BadSettings
from tasks.local.urls import url_problem
from tasks.settings import StoreSettings


def is_on_aws(url: str) -> bool:
    """Whether a URL is one of AWS."""
    host = urlsplit(url).hostname or ""
    return host == "amazonaws.com" or host.endswith((".amazonaws.com", ".amazonaws.com.cn"))


def check_settings(settings: StoreSettings) -> None:
    """Refuse settings that cannot work, or that boto3 would understand differently.

    Raises:
        BadSettings: a setting is missing or wrong; the message names its variable.
    """
    if not settings.endpoint:
        raise BadSettings(
            "NASFLOW_STORE_ENDPOINT is empty; set it to the URL of your S3 API "
            "(for AWS, https://s3.<region>.amazonaws.com), or run `nasflow up` for a local store"
        )
    _check_url("NASFLOW_STORE_ENDPOINT", settings.endpoint, settings.bucket)
    if settings.public_endpoint:
        _check_url("NASFLOW_STORE_PUBLIC_ENDPOINT", settings.public_endpoint, settings.bucket)
    if not settings.bucket:
        raise BadSettings("NASFLOW_STORE_BUCKET is empty; set it to the name of a bucket that exists")
    if bool(settings.access_key_id) != bool(settings.secret_access_key.get_secret_value()):
        raise BadSettings(
            "of NASFLOW_STORE_ACCESS_KEY_ID and NASFLOW_STORE_SECRET_ACCESS_KEY one is empty; set both or neither"
        )
    if settings.ca_bundle is not None and not settings.ca_bundle.is_file():
        raise BadSettings(f"NASFLOW_STORE_CA_BUNDLE is {settings.ca_bundle}, and no file is there; correct the path")
    if settings.encryption_key_id and settings.encryption != "aws:kms":
        raise BadSettings(
            "NASFLOW_STORE_ENCRYPTION_KEY_ID is set, which only aws:kms uses; "
            "set NASFLOW_STORE_ENCRYPTION to aws:kms, or unset the key id"
        )


def _check_url(variable: str, url: str, bucket: str) -> None:
    if problem := url_problem(url):
        raise BadSettings(f"{variable} is {problem}")
    parts = urlsplit(url)
    is_in_path = bool(bucket) and parts.path.rstrip("/").endswith(f"/{bucket}")
    is_in_host = bool(bucket) and (parts.hostname or "").startswith(f"{bucket}.s3") and is_on_aws(url)
    if is_in_path or is_in_host:
        raise BadSettings(
            f"{variable} is {url}, with the bucket in it; leave out {bucket}, NASFLOW_STORE_BUCKET has it"
        )
    if parts.query or parts.fragment:
        raise BadSettings(f"{variable} has a ? or # in it; set it to the URL of the S3 API alone")
