"""Times of records as calendars write them."""

from datetime import UTC, datetime

import pytest

from shipper.wire.times import rfc3339, utc


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1725456356934000000, "2024-09-04T13:25:56.934Z"),
        (1725456356000001000, "2024-09-04T13:25:56.000001Z"),
        (2**64 - 1, "2554-07-21T23:34:33.709551615Z"),
    ],
)
def test_times_are_rfc_3339(nanoseconds: int, text: str) -> None:
    assert rfc3339(nanoseconds) == text


def test_a_moment_is_cut_to_microseconds_and_never_rounded_up() -> None:
    assert utc(1_725_456_356_999_999_999) == datetime(2024, 9, 4, 13, 25, 56, 999_999, UTC)
