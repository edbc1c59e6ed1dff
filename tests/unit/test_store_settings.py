"""Settings that the store refuses before any request, and what boto3's errors become."""

import pytest
from botocore import exceptions as boto
from pydantic import SecretStr

from tasks.errors import (
    BadSettings,
    CorruptObject,
    LostRace,
    NasflowError,
    NotInStore,
    StoreError,
    StoreUnavailable,
)
from tasks.settings import StoreSettings
from tasks.storage.s3 import Store
from tasks.storage.s3_errors import translate

SETTINGS = StoreSettings(
    endpoint="https://store.test", bucket="b", access_key_id="key", secret_access_key=SecretStr("s3cret")
)


def answer(status: int, code: str) -> boto.ClientError:
    return boto.ClientError(
        {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}, "PutObject"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"endpoint": ""},
            r"NASFLOW_STORE_ENDPOINT is empty; set it to the URL of your S3 API \(for AWS, https://s3\.",
        ),
        ({"endpoint": "localhost:8333"}, "NASFLOW_STORE_ENDPOINT is localhost:8333, not a URL"),
        ({"bucket": ""}, "NASFLOW_STORE_BUCKET is empty"),
        ({"access_key_id": ""}, "one is empty; set both or neither"),
        ({"secret_access_key": SecretStr("")}, "one is empty; set both or neither"),
        ({"ca_bundle": "/no/such.pem"}, "NASFLOW_STORE_CA_BUNDLE is /no/such.pem, and no file is there"),
    ],
)
def test_unusable_settings_are_refused(change, message):
    with pytest.raises(BadSettings, match=message):
        Store(StoreSettings.model_validate({**SETTINGS.model_dump(), **change}))


def test_settings_come_from_the_environment(monkeypatch):
    for name in ("BUCKET", "PREFIX", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.delenv(f"NASFLOW_STORE_{name}", raising=False)
    monkeypatch.setenv("NASFLOW_STORE_ENDPOINT", "https://store.test")
    monkeypatch.setenv("NASFLOW_STORE_BUCKET", "mine")
    monkeypatch.setenv("NASFLOW_STORE_PREFIX", "team-a")
    assert Store.from_environment().uri("x") == "s3://mine/team-a/x"
    monkeypatch.setenv("NASFLOW_STORE_CHECKSUMS", "sometimes")
    with pytest.raises(BadSettings, match="NASFLOW_STORE_CHECKSUMS"):
        Store.from_environment()


@pytest.mark.parametrize(
    ("endpoint", "checksums", "expected"),
    [
        ("https://store.test", "auto", "when_required"),
        ("https://amazonaws.com.store.test", "auto", "when_required"),
        ("https://s3.eu-west-1.amazonaws.com", "auto", "when_supported"),
        ("https://s3.eu-west-1.amazonaws.com", "when_required", "when_required"),
        ("https://store.test", "when_supported", "when_supported"),
    ],
)
def test_checksums_depend_on_the_endpoint(endpoint, checksums, expected):
    store = Store(SETTINGS.model_copy(update={"endpoint": endpoint, "checksums": checksums}))
    assert store._client.meta.config.request_checksum_calculation == expected
    assert store._client.meta.config.response_checksum_validation == expected
    assert store.link("x", 60).startswith(f"{endpoint}/b/x?")


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (answer(404, "NoSuchBucket"), BadSettings, "create the bucket b"),
        (answer(404, "NoSuchKey"), NotInStore, "no such object"),
        (answer(404, "404"), NotInStore, "no such object"),
        (answer(403, "AccessDenied"), BadSettings, "NASFLOW_STORE_SECRET_ACCESS_KEY"),
        (answer(403, "403"), BadSettings, "s3:ListBucket"),
        (answer(400, "InvalidToken"), BadSettings, "NASFLOW_STORE_ACCESS_KEY_ID"),
        (answer(400, "ExpiredToken"), StoreUnavailable, "renew"),
        (answer(403, "RequestTimeTooSkewed"), StoreUnavailable, "clock"),
        (answer(301, "PermanentRedirect"), BadSettings, "NASFLOW_STORE_REGION"),
        (answer(412, "PreconditionFailed"), LostRace, "another writer"),
        (answer(409, "ConditionalRequestConflict"), LostRace, "another writer"),
        (answer(400, "RequestTimeout"), StoreUnavailable, "try again"),
        (answer(503, "SlowDown"), StoreUnavailable, "try again"),
        (answer(501, "NotImplemented"), StoreError, "conditional writes"),
        (answer(400, "InvalidArgument"), StoreError, "400 InvalidArgument"),
        (boto.EndpointConnectionError(endpoint_url="u"), StoreUnavailable, "NASFLOW_STORE_ENDPOINT"),
        (boto.ReadTimeoutError(endpoint_url="u"), StoreUnavailable, "ReadTimeoutError"),
        (boto.NoCredentialsError(), BadSettings, "NASFLOW_STORE_ACCESS_KEY_ID"),
        (boto.CredentialRetrievalError(provider="p", error_msg="m"), StoreUnavailable, "credentials"),
        (boto.ParamValidationError(report="r"), BadSettings, "NASFLOW_STORE_BUCKET"),
        (boto.FlexibleChecksumError(error_msg="m"), CorruptObject, "checksum"),
        (boto.SSLError(endpoint_url="u", error="CERTIFICATE_VERIFY_FAILED"), BadSettings, "NASFLOW_STORE_CA_BUNDLE"),
        (boto.SSLError(endpoint_url="u", error="EOF"), StoreUnavailable, "NASFLOW_STORE_CA_BUNDLE"),
    ],
)
def test_every_error_of_boto3_becomes_one_of_ours_in_one_line(error, kind, message):
    ours = translate(error, SETTINGS, "write x")
    assert type(ours) is kind
    assert isinstance(ours, NasflowError)
    assert message in str(ours)
    assert str(ours).startswith("write x at https://store.test, bucket b")
    assert "\n" not in str(ours)
    assert "s3cret" not in str(ours)


def test_the_remedy_for_credentials_depends_on_their_source():
    chain = SETTINGS.model_copy(update={"access_key_id": "", "secret_access_key": SecretStr("")})
    assert "boto3's profile" in str(translate(answer(403, "AccessDenied"), chain, "write x"))
