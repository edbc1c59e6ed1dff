"""Errors of boto3, and which error of our own tree each of them becomes.

Only translation belongs here. No message holds a secret or a signed URL: botocore's own words are used only where they
come from the store's answer.
"""

from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError

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

STALE_CODES = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "RequestTimeTooSkewed", "TokenRefreshRequired"}
)
REFUSED_CODES = frozenset(
    {"AccessDenied", "AllAccessDisabled", "AuthFailure", "InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch"}
)
REGION_CODES = frozenset({"AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect"})
BUSY_CODES = frozenset({"RequestTimeout", "SlowDown", "Throttling", "ThrottlingException", "TooManyRequests"})


def is_stale(error: Exception) -> bool:
    """Say whether a fresh client may help: expired credentials, an expired signature, or a refusal without a reason."""
    return isinstance(error, ClientError) and (_code(error) in STALE_CODES or has_no_reason(error))


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
        The error to raise, with a message of one line.
    """
    where = f"{action} at {settings.endpoint}, bucket {settings.bucket}"
    if isinstance(error, ClientError):
        return _error_answer(error, settings, where)
    if isinstance(error, BotoCoreError):
        return _no_answer(error, where)
    # s3transfer's RetriesExceededError and urllib3's errors inside a body: the connection broke.
    return StoreUnavailable(f"{where}: the transfer broke off ({type(error).__name__}); try again")


def _error_answer(error: ClientError, settings: StoreSettings, where: str) -> NasflowError:
    """The store answered with an error."""
    code, status = _code(error), _status(error)
    answer = f"{where}: the store answered {status} {code}"
    if code == "NoSuchBucket":
        return BadSettings(f"{answer}; create the bucket {settings.bucket}, or correct NASFLOW_STORE_BUCKET")
    if code in STALE_CODES:
        return StoreUnavailable(f"{answer}, also with fresh credentials; renew them and set this machine's clock")
    if code in REGION_CODES or status in (301, 307):
        return BadSettings(f"{answer}; set NASFLOW_STORE_REGION and NASFLOW_STORE_ENDPOINT to the bucket's own region")
    if code in REFUSED_CODES or status in (401, 403):
        return BadSettings(f"{answer}; {_credentials_remedy(settings)}")
    if status == 404:
        return NotInStore(f"{answer}; there is no such object")
    if status in (409, 412):
        return LostRace(f"{answer}: another writer was first; read again and decide anew")
    if status == 501:
        return StoreError(f"{answer}; the store cannot do this, use one with conditional writes")
    if code in BUSY_CODES or status == 429 or status >= 500:
        return StoreUnavailable(f"{answer}; try again later")
    return StoreError(f"{answer}; look into the store's own log for the reason")


def _no_answer(error: BotoCoreError, where: str) -> NasflowError:
    """There was no answer, or boto3 did not send the request."""
    if isinstance(error, boto.SSLError):
        return _tls_failure(error, where)
    if isinstance(error, boto.CredentialRetrievalError):
        return StoreUnavailable(f"{where}: boto3 could not fetch credentials; try again, or renew your login")
    if isinstance(error, boto.NoCredentialsError | boto.PartialCredentialsError | boto.ProfileNotFound):
        return BadSettings(
            f"{where}: boto3 found no credentials; "
            "set NASFLOW_STORE_ACCESS_KEY_ID and NASFLOW_STORE_SECRET_ACCESS_KEY, or a profile"
        )
    if isinstance(error, boto.TokenRetrievalError | boto.UnauthorizedSSOTokenError | boto.SSOTokenLoadError):
        return BadSettings(f"{where}: the single sign-on session has ended; log in again")
    if isinstance(error, boto.ParamValidationError):
        return BadSettings(f"{where}: boto3 refuses this bucket name or key; correct NASFLOW_STORE_BUCKET")
    if isinstance(error, boto.ChecksumError | boto.FlexibleChecksumError):
        return CorruptObject(f"{where}: the content disagrees with the store's own checksum; write it again")
    return StoreUnavailable(
        f"{where}: no answer ({type(error).__name__}); see that the store runs and NASFLOW_STORE_ENDPOINT is right"
    )


def _tls_failure(error: boto.SSLError, where: str) -> NasflowError:
    """A TLS handshake failed: bad settings if it is about certificates, else like any broken connection."""
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return BadSettings(
            f"{where}: the certificate is not signed by a known authority; "
            "set NASFLOW_STORE_CA_BUNDLE to the PEM file of the store's own authority"
        )
    if "WRONG_VERSION_NUMBER" in str(error):
        return BadSettings(f"{where}: the store does not speak TLS; begin NASFLOW_STORE_ENDPOINT with http://")
    return StoreUnavailable(
        f"{where}: the TLS connection failed; try again, and if the store has its own authority, "
        "set NASFLOW_STORE_CA_BUNDLE to its PEM file"
    )


def _credentials_remedy(settings: StoreSettings) -> str:
    # Without the right to list, AWS answers 403 instead of 404 for an object that is not there.
    names = "NASFLOW_STORE_ACCESS_KEY_ID and NASFLOW_STORE_SECRET_ACCESS_KEY"
    if settings.access_key_id:
        return f"correct {names}, or this key's rights (with s3:ListBucket)"
    return f"set {names}, or give boto3's profile the rights (with s3:ListBucket)"


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")


def _status(error: ClientError) -> int:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
