"""The store, against a server that misbehaves."""

import datetime
import ipaddress
import os

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr

from tasks.errors import BadSettings, LostRace, NasflowError, NotInStore, StoreError, StoreUnavailable
from tasks.settings import StoreSettings
from tasks.storage.link_probe import probe_link
from tasks.storage.probe import probe
from tasks.storage.s3 import MULTIPART_BYTES, Store
from tasks.storage.s3_links import Link
from tests.fakes.bad_store import BUCKET, BadStore

BIG = MULTIPART_BYTES + 1024**2


@pytest.fixture
def bad_store():
    with BadStore() as server:
        yield server


def store_of(server: BadStore, **values) -> Store:
    return Store(
        StoreSettings(
            endpoint=server.endpoint,
            bucket=BUCKET,
            access_key_id="key",
            secret_access_key=SecretStr("s3cret"),
            **values,
        )
    )


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Certificate and key of a private authority for 127.0.0.1, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "private authority")])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("authority") / "authority.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + built.public_bytes(serialization.Encoding.PEM))
    return path


def test_probe_refuses_a_store_that_ignores_conditions(bad_store):
    probe(store_of(bad_store))
    bad_store.ignore_conditions = True
    with pytest.raises(StoreError, match=r"ignores If-None-Match, two writers would both win; use AWS S3"):
        probe(store_of(bad_store))
    assert bad_store.objects == {}


def test_probe_refuses_a_store_without_conditions(bad_store):
    bad_store.lack_conditions = True
    with pytest.raises(StoreError, match=r"501 NotImplemented .*; the store cannot do this, use one with conditional"):
        probe(store_of(bad_store))


@pytest.mark.parametrize(
    ("fault", "step", "match"),
    [
        (
            "refuse_right_etag",
            "write an object only if it is unchanged",
            "If-Match is refused, though .* Tentacle does",
        ),
        ("refuse_fresh_key", "write an object only if there is none", "If-None-Match is refused, though there is no"),
        ("refuse_parts", "send an object in parts, with metadata", "501 NotImplemented"),
        ("drop_metadata", "send an object in parts, with metadata", "keeps no metadata .sha256 is None., so files"),
        ("spoil", "write and read an object", "7 other bytes came back than were written"),
        ("hide", "list objects", "a listing of it has 0 objects, not this one"),
        ("refuse_deletes", "write and read an object", r"delete probe/\w+ at .*403 AccessDenied"),
    ],
)
def test_the_probe_names_the_step_that_failed(bad_store, fault, step, match):
    setattr(bad_store, fault, True)
    with pytest.raises(NasflowError, match=f"^trying the store, to {step}: .*{match}") as caught:
        probe(store_of(bad_store))
    assert "another writer" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not bad_store.objects or fault == "refuse_deletes"


def test_the_probe_names_the_step_of_a_store_that_denies_everything(bad_store):
    bad_store.every_answer = 403, "AccessDenied"
    with pytest.raises(BadSettings, match=r"^trying the store, to write and read an object: write probe/\w+ at .*403"):
        probe(store_of(bad_store))


def test_a_link_that_cannot_be_read_is_named_without_its_signature(bad_store):
    probe_link(store_of(bad_store), None)
    bad_store.refuse_links = True
    with pytest.raises(StoreError, match="a signed link to it is answered with HTTP 403; set NASFLOW_") as caught:
        probe_link(store_of(bad_store), None)
    with pytest.raises(
        StoreError, match=r"a signed link to it gets no answer \(URLError\); set NASFLOW_STORE_PUBLIC_END"
    ):
        probe_link(store_of(bad_store, public_endpoint="http://127.0.0.1:9"), None)
    assert "Signature" not in f"{caught.value!r}"
    assert bad_store.objects == {}


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_checksum_headers_reach_a_store_that_refuses_them(scheme, certificate, tmp_path):
    tls = scheme == "https"
    with BadStore(certificate if tls else None) as bad_store:
        bad_store.refuse_checksums = True
        store = store_of(bad_store, ca_bundle=certificate if tls else None)
        for size in (10, BIG):
            (tmp_path / "x").write_bytes(os.urandom(size))
            store.download(store.upload(tmp_path / "x", f"x{size}"), tmp_path / "received")
            assert (tmp_path / "received").read_bytes() == (tmp_path / "x").read_bytes()
        probe(store)
        store = store_of(bad_store, ca_bundle=certificate if tls else None, checksums="when_supported")
        with pytest.raises(StoreError, match="400 InvalidArgument"):
            store.put("x", b"")


def test_a_private_certificate_authority_needs_its_pem_file(certificate):
    with BadStore(certificate) as bad_store:
        with pytest.raises(BadSettings, match="set NASFLOW_STORE_CA_BUNDLE to the PEM file"):
            store_of(bad_store).put("x", b"")
        store_of(bad_store, ca_bundle=certificate).put("x", b"")


def test_a_bundle_without_certificates_is_named(certificate, tmp_path, monkeypatch):
    (tmp_path / "junk.pem").write_text("no certificate")
    with BadStore(certificate) as bad_store:
        with pytest.raises(BadSettings, match=r"no certificates to check .*let NASFLOW_STORE_CA_BUNDLE"):
            store_of(bad_store, ca_bundle=tmp_path / "junk.pem").put("x", b"")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "k")
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "missing.pem"))
        with pytest.raises(BadSettings, match=r"no certificates to check .*AWS_CA_BUNDLE"):
            Store(StoreSettings(endpoint=bad_store.endpoint, bucket=BUCKET)).put("x", b"")


def test_a_certificate_for_another_name_is_named(certificate):
    with BadStore(certificate) as bad_store:
        bad_store.endpoint = bad_store.endpoint.replace("127.0.0.1", "localhost")
        with pytest.raises(
            BadSettings, match=r"certificate is for another name; use that one in NASFLOW_STORE_ENDPOINT"
        ):
            store_of(bad_store, ca_bundle=certificate).put("x", b"")


def test_tls_to_a_plain_http_server_is_named(bad_store):
    bad_store.endpoint = bad_store.endpoint.replace("http:", "https:")
    with pytest.raises(BadSettings, match="begin NASFLOW_STORE_ENDPOINT with http://"):
        store_of(bad_store).put("x", b"")


@pytest.mark.parametrize("answer", [(400, "ExpiredToken"), (403, "RequestTimeTooSkewed")])
@pytest.mark.parametrize("size", [10, BIG])
def test_expired_credentials_are_renewed_once(bad_store, tmp_path, answer, size):
    (tmp_path / "x").write_bytes(os.urandom(size))
    store = store_of(bad_store)
    bad_store.next_answers = [answer]  # to the HEAD, whose answer has no body
    stored = store.upload(tmp_path / "x", "x")
    store.delete(["x"])
    before = len(bad_store.requests)

    bad_store.next_answers = [(404, "NoSuchKey"), answer]  # to the HEAD and to what sends
    assert store.upload(tmp_path / "x", "x") == stored
    assert len(bad_store.requests) > before + 2
    bad_store.next_answers = [answer]
    store.download(stored, tmp_path / "received")


@pytest.mark.parametrize("code", ["ExpiredToken", "RequestTimeTooSkewed"])
def test_credentials_that_stay_expired_make_the_store_unavailable(bad_store, code):
    bad_store.every_answer = (403, code)
    with pytest.raises(
        StoreUnavailable, match=f"403 {code} .as requested., also with fresh credentials.*clock"
    ) as caught:
        store_of(bad_store).get("x")
    assert len(bad_store.requests) == 2
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_short_failure_is_retried(bad_store):
    bad_store.next_answers = [(503, "SlowDown")]
    store_of(bad_store).put("x", b"1")
    bad_store.next_answers = [(409, "ConditionalRequestConflict"), (409, "ConditionalRequestConflict")]
    store_of(bad_store).create("y", b"1")


@pytest.mark.parametrize("answer", [(503, "SlowDown"), (500, "InternalError"), (429, "TooManyRequests")])
def test_a_store_that_stays_busy_is_unavailable(bad_store, answer):
    bad_store.every_answer = answer
    with pytest.raises(
        StoreUnavailable, match=f"write x at http.*{answer[0]} {answer[1]} .as requested.; try again later"
    ):
        store_of(bad_store).put("x", b"1")


def test_a_conflict_that_stays_is_a_lost_race(bad_store):
    bad_store.every_answer = (409, "ConditionalRequestConflict")
    with pytest.raises(LostRace):
        # The look for our own object that follows is refused as well here.
        store_of(bad_store).create("x", b"1")


def test_a_condition_on_a_removed_object_may_be_answered_with_404(bad_store):
    bad_store.next_answers = [(404, "NoSuchKey")]
    with pytest.raises(LostRace, match="removed by another writer"):
        store_of(bad_store).replace("x", b"1", '"etag"')


def test_a_write_whose_answer_was_lost_is_no_lost_race(bad_store):
    store = store_of(bad_store)
    bad_store.drop_answers = 1
    etag = store.create("x", b"1")
    bad_store.drop_answers = 1
    etag = store.replace("x", b"2", etag)
    assert store.get("x") == (b"2", etag)
    assert len([request for request in bad_store.requests if request.startswith("PUT")]) == 4


def test_a_missing_object_is_not_in_store(bad_store):
    with pytest.raises(NotInStore):
        store_of(bad_store).get("x")


@pytest.mark.parametrize("size", [10, BIG])
@pytest.mark.parametrize("encryption", ["AES256", "aws:kms"])
def test_a_policy_that_demands_encryption_gets_it_with_every_write(bad_store, tmp_path, size, encryption):
    bad_store.demand_encryption = encryption
    (tmp_path / "x").write_bytes(os.urandom(size))
    with pytest.raises(BadSettings, match=r"403 AccessDenied \(User: u .*deny\); .*set NASFLOW_STORE_ENCRYPTION$"):
        store_of(bad_store).upload(tmp_path / "x", "x")
    store = store_of(bad_store, encryption=encryption)
    store.upload(tmp_path / "x", "x")
    store.replace("y", b"2", store.create("y", b"1"))
    probe(store)


def test_an_archived_object_is_named_without_blame_on_the_key(bad_store):
    bad_store.every_answer = 403, "InvalidObjectState", "The operation is not valid for the object's storage class"
    with pytest.raises(StoreError, match=r"storage class\); the object is archived: restore it") as caught:
        store_of(bad_store).get("x")
    assert "NASFLOW_STORE_ACCESS_KEY_ID" not in str(caught.value)


# Credentials of boto3's own chain -----------------------------------------------------------------


@pytest.fixture
def chain(bad_store, monkeypatch, tmp_path):
    """Writes keys into the shared credentials file, and gives a store that reads them there."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))

    def write(key: str, *lines: str) -> Store:
        text = ["[default]", f"aws_access_key_id = {key}", "aws_secret_access_key = s3cret", *lines]
        (tmp_path / "credentials").write_text("\n".join(text))
        return Store(StoreSettings(endpoint=bad_store.endpoint, bucket=BUCKET))

    return write


def test_keys_that_were_rotated_on_disk_are_read_again(bad_store, chain):
    bad_store.known_key = "first"
    store = chain("first")
    store.put("x", b"1")
    bad_store.known_key = "second"
    with pytest.raises(BadSettings, match="403 InvalidAccessKeyId"):
        store.get("x")
    chain("second")
    assert store.get("x")[0] == b"1"


def test_given_keys_are_tried_once(bad_store):
    bad_store.known_key = "other"
    with pytest.raises(BadSettings, match=r"403 InvalidAccessKeyId .*; correct NASFLOW_STORE_ACCESS_KEY_ID"):
        store_of(bad_store).get("x")
    assert len(bad_store.requests) == 1


def until(link: Link) -> float:
    """Hours until the link's end at the latest."""
    return (link.latest_end - datetime.datetime.now(datetime.UTC)).total_seconds() / 3600


def test_a_link_says_when_it_really_ends(bad_store, chain, monkeypatch):
    asked = store_of(bad_store).link("x")
    assert 7 * 24 - 1 < until(asked) <= 7 * 24
    assert asked.validity == f"works until {asked.ends:%Y-%m-%d %H:%M} UTC"

    lasting = chain("lasting").link("x")
    assert lasting.ends == lasting.latest_end > asked.ends - datetime.timedelta(hours=1)

    session = chain("session", "aws_session_token = t0ken").link("x")
    assert session.ends is None
    assert (
        session.validity
        == f"works until {session.latest_end:%Y-%m-%d %H:%M} UTC at most; it ends with the session's credentials"
    )

    # Variables as a login writes them: with the end of the session.
    end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=5)
    variables = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s3cret", "AWS_SESSION_TOKEN": "t0ken"}
    for name, value in {**variables, "AWS_CREDENTIAL_EXPIRATION": end.isoformat()}.items():
        monkeypatch.setenv(name, value)
    known = chain("unused").link("x")
    assert 4 < until(known) <= 5
    assert known.ends == known.latest_end
    assert until(chain("unused").link("x", 60)) <= 60 / 3600
