"""Checks of the store's settings, before any request is made."""

from urllib.parse import urlsplit

from tasks.errors import BadSettings
from tasks.settings import StoreSettings


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
    if urlsplit(settings.endpoint).scheme not in ("http", "https") or not urlsplit(settings.endpoint).hostname:
        raise BadSettings(
            f"NASFLOW_STORE_ENDPOINT is {settings.endpoint}, not a URL; begin it with https:// (or http:// inside)"
        )
    if not settings.bucket:
        raise BadSettings("NASFLOW_STORE_BUCKET is empty; set it to the name of a bucket that exists")
    if bool(settings.access_key_id) != bool(settings.secret_access_key.get_secret_value()):
        raise BadSettings(
            "of NASFLOW_STORE_ACCESS_KEY_ID and NASFLOW_STORE_SECRET_ACCESS_KEY one is empty; set both or neither"
        )
    if settings.ca_bundle is not None and not settings.ca_bundle.is_file():
        raise BadSettings(f"NASFLOW_STORE_CA_BUNDLE is {settings.ca_bundle}, and no file is there; correct the path")
