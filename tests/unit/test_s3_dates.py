"""Dates in answers of stores, in all forms that S3's protocols have."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from tasks.storage.s3_session import read_date

NOVEMBER = datetime(2026, 11, 28, 9, 5, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "date"),
    [
        ("2026-11-28T09:05:07.000Z", NOVEMBER),
        ("2026-11-28T09:05:07Z", NOVEMBER),
        ("2026-11-28T09:05:07.123456789Z", NOVEMBER.replace(microsecond=123456)),
        ("2026-11-28T10:05:07+01:00", NOVEMBER),
        ("20261128T090507Z", NOVEMBER),
        ("Sat, 28 Nov 2026 09:05:07 GMT", NOVEMBER),
        ("Tue, 24 Nov 2026 09:05:07 GMT", NOVEMBER - timedelta(days=4)),
        ("1795856707", NOVEMBER),
        (1795856707, NOVEMBER),
        (1795856707.5, NOVEMBER + timedelta(seconds=0.5)),
        ("20261128", datetime(1970, 8, 23, 12, 5, 28, tzinfo=UTC)),  # seconds, and no day of 2026
    ],
)
def test_a_date_is_read_in_each_form(written, date):
    read = read_date(written)
    assert read == date
    assert read.tzinfo is not None


def test_a_date_keeps_its_offset():
    offset = timezone(timedelta(hours=5, minutes=30))
    assert read_date("2026-11-28T14:35:07+05:30") == NOVEMBER.astimezone(offset)
    assert read_date("2026-11-28T14:35:07+05:30").utcoffset() == timedelta(hours=5, minutes=30)


@pytest.mark.parametrize("written", ["", "T", "yesterday", "2026-13-41T09:05:07Z"])
def test_what_is_no_date_is_refused(written):
    with pytest.raises(ValueError, match="Invalid timestamp"):
        read_date(written)
