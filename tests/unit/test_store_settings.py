"""Settings that the store refuses before any request, and what boto3's errors become."""

from typing import Any

import pytest
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError
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
from tasks.storage.s3_errors import shown, translate
from tests.fakes.bad_store import BUCKET, BadStore

SETTINGS = StoreSettings(
    endpoint="https://store.test", bucket="b", access_key_id="key", secret_access_key=SecretStr("s3cret")
)


def tls_error(words: str) -> boto.SSLError:
    return boto.SSLError(endpoint_url="u", error=Exception(words))


def answer(status: int, code: str, message: str = "m", operation: str = "PutObject") -> boto.ClientError:
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return boto.ClientError(response, operation)


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
        ({"endpoint": "http://[::1"}, "NASFLOW_STORE_ENDPOINT is http://\\[::1, not a URL"),
        ({"endpoint": "https://store .test"}, "NASFLOW_STORE_ENDPOINT is https://store .test, not a URL"),
        ({"endpoint": "https://store.test "}, "not a URL; .*, without blanks"),
        ({"endpoint": "https://store.test:65536"}, "NASFLOW_STORE_ENDPOINT is https://store.test:65536, not a URL"),
        ({"endpoint": "https://store.test:0"}, "https://store.test:0, not a URL"),
        ({"endpoint": "https://store.test:http"}, "https://store.test:http, not a URL"),
        (
            {"endpoint": "https://store.test/b"},
            "with the bucket in it; leave out b, NASFLOW_STORE_BUCKET",
        ),
        ({"endpoint": "https://store.test/x/b/"}, "with the bucket in it; leave out b"),
        ({"public_endpoint": "https://store.test/b"}, "NASFLOW_STORE_PUBLIC_ENDPOINT is .*, with the bucket in it"),
        ({"endpoint": "https://b.s3.eu-west-1.amazonaws.com"}, "with the bucket in it; leave out b"),
        ({"endpoint": "https://store.test/?x=1"}, r"NASFLOW_STORE_ENDPOINT has a \? or # in it"),
        ({"public_endpoint": "store.test"}, "NASFLOW_STORE_PUBLIC_ENDPOINT is store.test, not a URL"),
        ({"encryption_key_id": "k"}, "set NASFLOW_STORE_ENCRYPTION to aws:kms, or unset the key id"),
        ({"encryption": "AES256", "encryption_key_id": "k"}, "set NASFLOW_STORE_ENCRYPTION to aws:kms"),
        ({"ca_bundle": "/no/such.pem"}, "NASFLOW_STORE_CA_BUNDLE is /no/such.pem, and no file is there"),
    ],
)
def test_unusable_settings_are_refused(change, message):
    with pytest.raises(BadSettings, match=message):
        Store(StoreSettings.model_validate({**SETTINGS.model_dump(), **change}))


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://ann:hunter2@store.test", "https://hunter2@store.test", "https://ann:hunt er2@x", "ann:hunter2@x",
        "https://ann:hunter2@store.test:99999", "https://ann:hunter2@store.test/b", "https://ann:p@hunter2@store.test",
        "https://ann:hun/ter2@store.test",
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["endpoint", "public_endpoint"])
def test_a_password_in_an_endpoint_is_refused_and_never_shown(name, endpoint):
    with pytest.raises(BadSettings) as caught:
        Store(SETTINGS.model_copy(update={name: endpoint}))
    assert "hunt" not in str(caught.value)
    assert "ter2" not in str(caught.value)
    assert "***@" in str(caught.value)


@pytest.mark.parametrize(
    "endpoint", ["https://x.store.test/storage/v1/s3", "http://[::1]:8333", "https://b.store.test/"]
)
def test_endpoints_with_a_path_a_port_or_another_host_are_taken(endpoint):
    Store(SETTINGS.model_copy(update={"endpoint": endpoint}))


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
    config: Any = store._client.meta.config
    assert config.request_checksum_calculation == expected
    assert config.response_checksum_validation == expected
    assert store.link("x", 60).url.startswith(f"{endpoint}/b/x?")


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (answer(404, "NoSuchBucket"), BadSettings, "create the bucket b"),
        (answer(404, "NoSuchKey"), NotInStore, "no such object"),
        (answer(404, "404"), NotInStore, "no such object"),
        (answer(403, "AccessDenied"), BadSettings, "403 AccessDenied (m); the credentials are known, but a policy"),
        (answer(403, "InvalidAccessKeyId"), BadSettings, "correct NASFLOW_STORE_ACCESS_KEY_ID"),
        (answer(403, "SignatureDoesNotMatch"), BadSettings, "correct NASFLOW_STORE_ACCESS_KEY_ID"),
        (answer(401, "Unauthorized"), BadSettings, "correct NASFLOW_STORE_ACCESS_KEY_ID"),
        (answer(400, "InvalidArgument", "Credential access key has length 5, should be 32"), BadSettings, "correct NA"),
        (answer(403, "UserSuspended"), BadSettings, "suspended"),
        (answer(403, "InvalidObjectState"), StoreError, "archived: restore it, and end the lifecycle rule"),
        (answer(403, "QuotaExceeded"), StoreError, "no room"),
        (answer(400, "XMinioAdminBucketQuotaExceeded"), StoreError, "no room"),
        (answer(507, "XMinioStorageFull"), StoreError, "no room"),
        (answer(403, "AccessDenied", "Storage cap exceeded."), StoreError, "no room"),
        (answer(400, "InvalidRequest", "Object is WORM protected and cannot be overwritten"), StoreError, "locked"),
        (answer(403, "AccessDenied", "because object protected by object lock."), StoreError, "without object lock"),
        (answer(400, "InvalidRequest", "Content-MD5 HTTP header is required"), BadSettings, "NASFLOW_STORE_CHECKSUMS"),
        (answer(400, "KMS.DisabledException"), BadSettings, "NASFLOW_STORE_ENCRYPTION_KEY_ID"),
        (answer(400, "kms:KeyNotFound"), BadSettings, "exists and is enabled"),
        (answer(403, "AccessDenied", "not authorized to perform: kms:GenerateDataKey"), BadSettings, "kms:Decrypt"),
        (answer(400, "KMS.ThrottlingException"), StoreUnavailable, "try again"),
        (answer(405, "MethodNotAllowed"), BadSettings, "URL of the S3 API"),
        (boto.ProfileNotFound(profile="x"), BadSettings, "(x) could not be found; correct AWS_PROFILE"),
        (boto.ConfigParseError(path="p", error="e"), BadSettings, "correct the AWS_ variables and ~/.aws"),
        (boto.HTTPClientError(error="e"), StoreUnavailable, "no answer"),
        (ResponseParserError("<html>"), BadSettings, "the answer is not S3's"),
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
        (
            boto.SSLError(endpoint_url="u", error=Exception("CERTIFICATE_VERIFY_FAILED")),
            BadSettings,
            "NASFLOW_STORE_CA_BUNDLE",
        ),
        (
            boto.SSLError(endpoint_url="u", error=Exception("CERTIFICATE_VERIFY_FAILED: expired")),
            BadSettings,
            "has expired",
        ),
        (boto.SSLError(endpoint_url="u", error=Exception("EOF")), StoreUnavailable, "NASFLOW_STORE_CA_BUNDLE"),
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


@pytest.mark.parametrize(
    ("operation", "right"),
    [
        (
            "PutObject",
            "s3:PutObject on this key of b/team-a, as the policies of the roles do (Rights in docs/operating.md)",
        ),
        ("CreateMultipartUpload", "s3:PutObject on this key of b/team-a, "),
        ("HeadObject", "s3:GetObject on this key of b/team-a, "),
        ("ListObjectsV2", "s3:ListBucket on b, "),
        ("DeleteObject", "s3:DeleteObject on this key of b/team-a, "),
    ],
)
def test_a_denied_request_names_the_right_that_it_needs_for_this_key_alone(operation, right):
    settings = SETTINGS.model_copy(update={"prefix": "team-a"})
    message = str(translate(answer(403, "AccessDenied", "", operation), settings, "do x"))
    assert f"allow {right}" in message
    assert "see that the bucket exists" in message
    assert "*" not in message


@pytest.mark.parametrize(
    ("operation", "advice"),
    [
        ("PutObject", "; if the policy demands encryption, set NASFLOW_STORE_ENCRYPTION"),
        ("GetObject", "; allow s3:ListBucket, too, without which a missing object looks like a denied one"),
    ],
)
def test_a_denied_request_names_what_else_may_be_missing(operation, advice):
    assert str(translate(answer(403, "AccessDenied", "", operation), SETTINGS, "do x")).endswith(advice)


def test_the_remedy_depends_on_what_is_set():
    chain = SETTINGS.model_copy(update={"access_key_id": "", "secret_access_key": SecretStr("")})
    assert "boto3's profile" in str(translate(answer(403, "InvalidAccessKeyId"), chain, "write x"))
    encrypted = SETTINGS.model_copy(update={"encryption": "aws:kms"})
    assert "takes NASFLOW_STORE_ENCRYPTION aws:kms" in str(translate(answer(403, "AccessDenied"), encrypted, "write x"))
    assert "does not take NASFLOW_STORE_ENCRYPTION" in str(translate(answer(501, "NotImplemented"), encrypted, "w"))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("Access\n\x1b[31m  denied.\t", "Access [31m denied"),
        ("the key is s3cret", "the key is ***"),
        (
            "GET https://store.test/b/x?X-Amz-Signature=abc&X-Amz-Credential=k failed",
            "GET https://store.test/b/x?*** failed",
        ),
        ("X-Amz-Security-Token: tok3n refused, Signature=feed", "X-Amz-Security-Token=*** refused, Signature=***"),
        (f"{'aB3+' * 30} is no token", "*** is no token"),
        ("word " * 100, f"{('word ' * 40).rstrip()}..."),
    ],
)
def test_the_words_of_the_store_are_shown_short_and_without_secrets(words, expected):
    assert shown(words, SETTINGS) == expected
    assert f"403 AccessDenied ({expected});" in str(translate(answer(403, "AccessDenied", words), SETTINGS, "write x"))


# The AWS configuration of a machine ---------------------------------------------------------------

AWS_CONFIGURATION = {
    "AWS_PROFILE": "no-such",
    "AWS_DEFAULT_PROFILE": "no-such",
    "AWS_CONFIG_FILE": "{broken}",
    "AWS_SHARED_CREDENTIALS_FILE": "{broken}",
    "AWS_CA_BUNDLE": "/no/such.pem",
    "AWS_ENDPOINT_URL": "http://elsewhere.test",
    "AWS_ENDPOINT_URL_S3": "http://elsewhere.test",
    "AWS_REGION": "elsewhere-1",
    "AWS_DEFAULT_REGION": "no region",
    "AWS_ACCESS_KEY_ID": "other",
    "AWS_SECRET_ACCESS_KEY": "other",
    "AWS_SESSION_TOKEN": "other",
    "AWS_REQUEST_CHECKSUM_CALCULATION": "wrong",
    "AWS_RESPONSE_CHECKSUM_VALIDATION": "wrong",
    "AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES": "wrong",
    "AWS_DEFAULTS_MODE": "wrong",
    "AWS_RETRY_MODE": "wrong",
    "AWS_MAX_ATTEMPTS": "wrong",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "AWS_USE_DUALSTACK_ENDPOINT": "true",
    "AWS_S3_USE_ARN_REGION": "true",
    "AWS_METADATA_SERVICE_TIMEOUT": "wrong",
    "AWS_DATA_PATH": "/no/such",
    "AWS_AUTH_SCHEME_PREFERENCE": "sigv4a",
    "AWS_CSM_ENABLED": "true",
    "AWS_CSM_PORT": "wrong",
}


@pytest.fixture
def aws_configuration(tmp_path):
    (tmp_path / "broken").write_text("]][[ no configuration")
    return {name: value.format(broken=tmp_path / "broken") for name, value in AWS_CONFIGURATION.items()}


@pytest.mark.parametrize("names", [*([name] for name in AWS_CONFIGURATION), list(AWS_CONFIGURATION)], ids=str)
def test_with_keys_of_our_own_nothing_of_the_aws_configuration_is_used(monkeypatch, aws_configuration, names):
    for name in names:
        monkeypatch.setenv(name, aws_configuration[name])
    with BadStore() as server:
        settings = SETTINGS.model_copy(update={"endpoint": server.endpoint, "bucket": BUCKET})
        server.known_key = "key"
        server.refuse_checksums = True
        store = Store(settings)
        store.put("x", b"1")
        assert store.get("x")[0] == b"1"
        assert store.link("x").url.startswith(f"{server.endpoint}/{BUCKET}/x?")
        assert "us-east-1" in store.link("x").url
        assert "Security-Token" not in store.link("x").url


@pytest.mark.parametrize(
    "name",
    [
        "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_DEFAULTS_MODE",
        "AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES", "AWS_METADATA_SERVICE_TIMEOUT",
    ],
)  # fmt: skip
def test_without_keys_a_broken_aws_configuration_is_one_line_with_a_remedy(monkeypatch, aws_configuration, name):
    for other in AWS_CONFIGURATION:
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, aws_configuration[name])
    chain = SETTINGS.model_copy(update={"access_key_id": "", "secret_access_key": SecretStr("")})
    with pytest.raises(
        BadSettings, match=r"^sign in at https://store\.test.*AWS_.*set NASFLOW_STORE_ACCESS_KEY_ID"
    ) as caught:
        Store(chain)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None
