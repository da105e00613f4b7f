"""Times of records as calendars write them. A time is nanoseconds since the epoch."""

from datetime import UTC, datetime


def utc(nanoseconds: int) -> datetime:
    """The moment in UTC, to the microsecond, cut and never rounded up."""
    seconds, rest = divmod(nanoseconds, 10**9)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1000)


def rfc3339(nanoseconds: int) -> str:
    """RFC 3339 in UTC with as many digits of a second as the time has, in groups of three."""
    digits = f"{nanoseconds % 10**9:09d}"
    while digits.endswith("000") and len(digits) > 3:
        digits = digits[:-3]
    return f"{utc(nanoseconds):%Y-%m-%dT%H:%M:%S}.{digits}Z"
