"""Errors of boto3, and which error of our own tree each of them becomes.

Only translation belongs here; refusals of the store, with a remedy each, are in ``s3_refusals.py``. No message holds a
secret or a signed URL: words of others are shown only as ``shown`` leaves them.
"""

import re

from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from tasks.errors import (
    BadSettings,
    CorruptObject,
    LostRace,
    NasflowError,
    NotInStore,
    StoreError,
    StoreUnavailable,
)
from tasks.local.proxies import describe_proxy
from tasks.settings import StoreSettings
from tasks.storage.s3_refusals import Refusal, remedy

STALE_CODES = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "RequestTimeTooSkewed", "TokenRefreshRequired"}
)
ROTATED_CODES = frozenset({"AccessDenied", "InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch"})
"""Answers to keys that were replaced, beside what else they may mean."""
BUSY_CODES = frozenset(
    {
        "KMS.ThrottlingException", "RequestTimeout", "SlowDown", "Throttling", "ThrottlingException", "TooManyRequests",
    }
)  # fmt: skip
GIVE_KEYS = "set NASFLOW_STORE_ACCESS_KEY_ID and NASFLOW_STORE_SECRET_ACCESS_KEY"
FULL_STATUS = 507
MAX_SHOWN = 200
"""Characters of the store's own message."""


def is_stale(error: Exception, settings: StoreSettings) -> bool:
    """Say whether a fresh client may help: expired credentials, an expired signature, or a refusal without a reason.

    Keys from boto3's own chain may also have been replaced since they were read. Keys from our settings cannot.
    """
    if not isinstance(error, ClientError):
        return False
    rotated = not settings.access_key_id and _code(error) in ROTATED_CODES
    return rotated or _code(error) in STALE_CODES or has_no_reason(error)


def has_no_reason(error: ClientError) -> bool:
    """Say whether the store refused without a reason: the answer to HEAD has no body that could hold it."""
    return _code(error) in ("400", "403")


def is_status(error: Exception, *statuses: int) -> bool:
    """Say whether the store answered with one of these HTTP status codes."""
    return isinstance(error, ClientError) and _status(error) in statuses


def translate(error: Exception, settings: StoreSettings, action: str) -> NasflowError:
    """Turn an error of boto3 into one of ours.

    Args:
        error: What boto3 raised.
        settings: Settings of the store; the message shows only names and addresses of them.
        action: What was being done, such as "read datasets/x.json".

    Returns:
        The error to raise, with a message of one line. It names a proxy that may have answered for the store.
    """
    ours = _translate(error, settings, f"{action} at {settings.endpoint}, bucket {settings.bucket}")
    if not is_answer_of_store(error) and (proxy := describe_proxy(settings.endpoint, "the store")):
        return type(ours)(f"{ours}; {proxy}")
    return ours


def is_answer_of_store(error: Exception) -> bool:
    """Say whether the store itself answered: with a code of S3, or without a body that an object is not there."""
    return isinstance(error, ClientError) and (_code(error) == "404" or not (_code(error) or "0").isdecimal())


def _translate(error: Exception, settings: StoreSettings, where: str) -> NasflowError:
    if isinstance(error, ClientError):
        return _error_answer(error, settings, where)
    if isinstance(error, BotoCoreError):
        return _no_answer(error, settings, where)
    if isinstance(error, ResponseParserError):
        return BadSettings(f"{where}: the answer is not S3's; set NASFLOW_STORE_ENDPOINT to the URL of the S3 API")
    if isinstance(error, ValueError):
        return _bad_configuration(error, settings, where)
    # s3transfer's RetriesExceededError and urllib3's errors inside a body: the connection broke.
    return StoreUnavailable(f"{where}: the transfer broke off ({type(error).__name__}); try again")


def shown(message: str, settings: StoreSettings) -> str:
    """What of others' words may be shown: one short line without control characters, secrets and signatures.

    Args:
        message: The words.
        settings: Their secret is removed, too.

    Returns:
        The words that are left.
    """
    if secret := settings.secret_access_key.get_secret_value():
        message = message.replace(secret, "***")
    message = re.sub(r"\?\S*", "?***", message)  # the query of a URL holds its signature
    message = re.sub(
        r"(?i)\b(x-amz-[\w-]+|signature|credential|\w*token|\w*secret\w*)\s*[=:]\s*\S+", r"\1=***", message
    )
    message = re.sub(r"[A-Za-z0-9+/=]{40,}", "***", message)  # keys, tokens and digests
    message = " ".join("".join(letter if letter.isprintable() else " " for letter in message).split())
    return message.rstrip(".") if len(message) <= MAX_SHOWN else f"{message[:MAX_SHOWN].rstrip()}..."


def _error_answer(error: ClientError, settings: StoreSettings, where: str) -> NasflowError:
    """The store answered with an error."""
    code, status = _code(error), _status(error)
    words = shown(str(error.response.get("Error", {}).get("Message") or ""), settings)
    answer = f"{where}: the store answered {status} {shown(code, settings)}" + (f" ({words})" if words else "")
    if code == "NoSuchBucket":
        return BadSettings(f"{answer}; create the bucket {settings.bucket}, or correct NASFLOW_STORE_BUCKET")
    if code in STALE_CODES:
        return StoreUnavailable(f"{answer}, also with fresh credentials; renew them and set this machine's clock")
    if code in BUSY_CODES or status == 429 or (status >= 500 and status not in (501, FULL_STATUS)):
        doubt = f"; see whether it can encrypt with {settings.encryption}" if settings.encryption else ""
        return StoreUnavailable(f"{answer}; try again later{doubt}")
    if refused := remedy(Refusal(code, status, words, error.operation_name), settings):
        kind, what = refused
        return kind(f"{answer}; {what}")
    if status == 404:
        return NotInStore(f"{answer}; there is no such object")
    if status in (409, 412):
        return LostRace(f"{answer}: another writer was first; read again and decide anew")
    return StoreError(f"{answer}; look into the store's own log for the reason")


def _no_answer(error: BotoCoreError, settings: StoreSettings, where: str) -> NasflowError:
    """There was no answer, or boto3 did not send the request."""
    if isinstance(error, boto.SSLError):
        return _tls_failure(error, where)
    if isinstance(error, boto.CredentialRetrievalError | boto.MetadataRetrievalError):
        return StoreUnavailable(f"{where}: boto3 could not fetch credentials; try again, or renew your login")
    if isinstance(error, boto.ProfileNotFound):
        words = shown(str(error), settings)
        return BadSettings(f"{where}: {words}; correct AWS_PROFILE, add the profile to ~/.aws/config, or {GIVE_KEYS}")
    if isinstance(error, boto.NoCredentialsError | boto.PartialCredentialsError):
        return BadSettings(f"{where}: boto3 found no credentials; {GIVE_KEYS}, or a profile")
    if isinstance(error, boto.TokenRetrievalError | boto.SSOError | boto.LoginError):
        return BadSettings(f"{where}: the single sign-on session has ended; log in again")
    if isinstance(error, boto.ParamValidationError):
        return BadSettings(f"{where}: boto3 refuses this bucket name or key; correct NASFLOW_STORE_BUCKET")
    if isinstance(error, boto.ChecksumError | boto.FlexibleChecksumError):
        return CorruptObject(f"{where}: the content disagrees with the store's own checksum; write it again")
    if isinstance(error, boto.HTTPClientError | boto.ConnectionError | boto.IncompleteReadError):
        return StoreUnavailable(
            f"{where}: no answer ({type(error).__name__}); see that the store runs and NASFLOW_STORE_ENDPOINT is right"
        )
    return _bad_configuration(error, settings, where)


def _bad_configuration(error: Exception, settings: StoreSettings, where: str) -> NasflowError:
    words = shown(str(error), settings)
    return BadSettings(
        f"{where}: boto3 cannot use the AWS configuration of this machine ({words}); "
        f"correct the AWS_ variables and ~/.aws, or {GIVE_KEYS}"
    )


def _tls_failure(error: boto.SSLError, where: str) -> NasflowError:
    """A TLS handshake failed: bad settings if it is about certificates, else like any broken connection."""
    words = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in words or "doesn't match" in words:
        return BadSettings(f"{where}: {_certificate_remedy(words)}")
    if "NO_CERTIFICATE_OR_CRL_FOUND" in words or "[Errno" in words:
        return BadSettings(
            f"{where}: there are no certificates to check the store's with; "
            "let NASFLOW_STORE_CA_BUNDLE (without keys of your own also AWS_CA_BUNDLE) name a PEM file"
        )
    if "WRONG_VERSION_NUMBER" in words:
        return BadSettings(f"{where}: the store does not speak TLS; begin NASFLOW_STORE_ENDPOINT with http://")
    return StoreUnavailable(
        f"{where}: the TLS connection failed; try again, and if the store has its own authority, "
        "set NASFLOW_STORE_CA_BUNDLE to its PEM file"
    )


def _certificate_remedy(words: str) -> str:
    if "expired" in words or "not yet valid" in words:
        return "the store's certificate has expired, or is not valid yet; renew it there, or set this machine's clock"
    if "mismatch" in words or "doesn't match" in words:
        return "the store's certificate is for another name; use that one in NASFLOW_STORE_ENDPOINT"
    return (
        "the certificate is not signed by a known authority; "
        "set NASFLOW_STORE_CA_BUNDLE to the PEM file of the store's own authority"
    )


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code") or "")


def _status(error: ClientError) -> int:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
