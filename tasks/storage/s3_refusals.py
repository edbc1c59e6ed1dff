"""What a person can do when a store refuses a request: by the codes of AWS, MinIO, Ceph, SeaweedFS, R2, Wasabi and B2.

Stores use the same code for different reasons, so that some are told apart by the words of the store.
"""

import re
from dataclasses import dataclass

from tasks.errors import BadSettings, NasflowError, StoreError
from tasks.settings import StoreSettings

CREDENTIAL_CODES = frozenset(
    {
        "AuthFailure", "InvalidAccessKeyId", "InvalidClientTokenId", "InvalidSecurity", "InvalidToken",
        "MissingAuthenticationToken", "SignatureDoesNotMatch", "Unauthorized", "UnauthorizedAccess",
    }
)  # fmt: skip
ACCOUNT_CODES = frozenset({"AccountProblem", "AllAccessDisabled", "NotSignedUp", "UserSuspended"})
ARCHIVE_CODES = frozenset({"InvalidObjectState", "ObjectNotInActiveTierError"})
FULL_CODES = frozenset(
    {
        "EntityTooLarge", "InsufficientStorage", "QuotaExceeded", "ServiceQuotaExceeded", "StorageFull",
        "StorageQuotaExceeded", "XMinioAdminBucketQuotaExceeded", "XMinioStorageFull", "XMinioStorageQuotaExceeded",
    }
)  # fmt: skip
LOCK_CODES = frozenset({"InvalidRetentionPeriod", "ObjectLocked", "ObjectUnderRetention"})
REGION_CODES = frozenset(
    {
        "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "InvalidRegion", "PermanentRedirect",
        "TemporaryRedirect",
    }
)  # fmt: skip
RIGHTS = {
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "DeleteObject": "s3:DeleteObject",
    "GetObject": "s3:GetObject",
    "HeadObject": "s3:GetObject",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "ListObjectsV2": "s3:ListBucket",
}
"""The right that a request needs; all others write, and need s3:PutObject."""

Remedy = tuple[type[NasflowError], str]
"""The kind of error, and what a person can do."""


@dataclass(frozen=True)
class Refusal:
    """What the store answered.

    Attributes:
        code: Its code, such as "AccessDenied"; the status again if the answer had no body.
        status: HTTP status.
        words: Its message, fit to be shown.
        operation: The request as boto3 names it, such as "PutObject".
    """

    code: str
    status: int
    words: str
    operation: str

    def says(self, pattern: str) -> bool:
        """Say whether the store's own words have this pattern."""
        return re.search(pattern, self.words, re.IGNORECASE) is not None


def remedy(refusal: Refusal, settings: StoreSettings) -> Remedy | None:
    """What can be done about a refusal; None if nothing special is known of it.

    Args:
        refusal: What the store answered.
        settings: Settings of the store, of which names and addresses are shown.

    Returns:
        The kind of error that it is, and the remedy.
    """
    return _about_object(refusal) or _about_encryption(refusal, settings) or _about_access(refusal, settings)


def _about_object(refusal: Refusal) -> Remedy | None:
    """Archived, locked, no room: the store would do it for another object or at another time."""
    if refusal.code in ARCHIVE_CODES:
        return StoreError, (
            "the object is archived: restore it, and end the lifecycle rule that archives objects under this prefix"
        )
    if refusal.code in FULL_CODES or refusal.status == 507 or refusal.says(r"quota|cap exceeded|storage is full"):
        return StoreError, "the store has no room for this: free some, or raise the quota or limit, then start again"
    if refusal.says(r"content-md5|x-amz-checksum"):
        return BadSettings, "set NASFLOW_STORE_CHECKSUMS to when_supported"
    if refusal.code in LOCK_CODES or refusal.says(r"\bWORM\b|object.?lock|retention|legal hold"):
        return StoreError, (
            "the object is locked against changes: use a bucket without object lock and default retention, "
            "since nasflow replaces and deletes its own objects"
        )
    return None


def _about_encryption(refusal: Refusal, settings: StoreSettings) -> Remedy | None:
    """The key manager, or a store that cannot encrypt or knows no conditions."""
    if re.match(r"(?i)(x-?minio)?-?kms", refusal.code) or (refusal.status < 500 and refusal.says(r"\bkms\b|kms:")):
        return BadSettings, (
            "see that the key of NASFLOW_STORE_ENCRYPTION_KEY_ID (or the bucket's own) exists and is enabled, and that "
            "these credentials may use it (kms:GenerateDataKey, kms:Decrypt); or change NASFLOW_STORE_ENCRYPTION"
        )
    if settings.encryption and (refusal.status == 501 or refusal.says(r"encrypt")):
        return BadSettings, (
            f"the store does not take NASFLOW_STORE_ENCRYPTION {settings.encryption}: "
            "correct or unset it, or set up encryption at the store"
        )
    if refusal.status == 501:
        return StoreError, "the store cannot do this, use one with conditional writes"
    return None


def _about_access(refusal: Refusal, settings: StoreSettings) -> Remedy | None:
    """Address, credentials and rights."""
    if refusal.code in REGION_CODES or refusal.status in (301, 307):
        return BadSettings, "set NASFLOW_STORE_REGION and NASFLOW_STORE_ENDPOINT to the bucket's own region"
    if refusal.status == 405:
        return BadSettings, "see that NASFLOW_STORE_ENDPOINT is the URL of the S3 API, and no object there is locked"
    if refusal.code in ACCOUNT_CODES:
        return BadSettings, "the account is closed or suspended: ask whoever runs the store"
    if refusal.code in CREDENTIAL_CODES or refusal.status == 401 or refusal.says(r"access key has length"):
        return BadSettings, _credentials(settings)
    if refusal.status == 403 and refusal.code in ("403", ""):
        # Without the right to list, AWS answers 403 instead of 404 for an object that is not there.
        return BadSettings, f"{_credentials(settings)}, these credentials' rights (with s3:ListBucket), or the bucket"
    if refusal.status == 403 or refusal.code == "AccessDenied":
        return BadSettings, _rights(refusal, settings)
    return None


def _credentials(settings: StoreSettings) -> str:
    names = "NASFLOW_STORE_ACCESS_KEY_ID and NASFLOW_STORE_SECRET_ACCESS_KEY"
    return f"correct {names}" if settings.access_key_id else f"set {names}, or correct boto3's profile"


def _rights(refusal: Refusal, settings: StoreSettings) -> str:
    """The store knows who asks, and a policy denies it."""
    right = RIGHTS.get(refusal.operation, "s3:PutObject")
    prefix = f"/{stripped}" if (stripped := settings.prefix.strip("/")) else ""
    resource = settings.bucket if right.startswith("s3:List") else f"this key of {settings.bucket}{prefix}"
    text = (
        f"the credentials are known, but a policy denies this: allow {right} on {resource}, as the policies of the "
        f"roles do (Rights in docs/operating.md), and see that the bucket exists: some stores answer so if it does not"
    )
    if right == "s3:GetObject":
        return f"{text}; allow s3:ListBucket, too, without which a missing object looks like a denied one"
    if right == "s3:PutObject" and not settings.encryption:
        return f"{text}; if the policy demands encryption, set NASFLOW_STORE_ENCRYPTION"
    if right == "s3:PutObject":
        return f"{text}; see that the policy takes NASFLOW_STORE_ENCRYPTION {settings.encryption}"
    return text
