"""What a failed connection is called, whatever the library writes of it."""

from errno import EADDRINUSE, EADDRNOTAVAIL, ECONNREFUSED, EHOSTUNREACH

import pytest

from shipper.net.faults import unavailable
from shipper.net.server import cannot_listen

LISTENS = "nothing listens at localhost:4317; is the server running, and the port right?"
REFUSED = f"[Errno {ECONNREFUSED}] Connect call failed"
NO_WAY = f"Multiple exceptions: [Errno {EHOSTUNREACH}] No route to host"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (f"Multiple exceptions: {REFUSED} ('::1', 4317, 0, 0), {REFUSED} ('127.0.0.1', 4317)", LISTENS),
        (f"Multiple exceptions: [Errno {EADDRNOTAVAIL}] Cannot assign requested address, {REFUSED}", LISTENS),
        (NO_WAY, f"localhost:4317 can't be reached ({NO_WAY})"),
    ],
)
def test_a_name_with_several_addresses_is_told_like_one_with_one(written: str, said: str) -> None:
    assert unavailable(OSError(written), "localhost:4317").reason == said


@pytest.mark.parametrize(
    "written",
    [
        "address already in use",
        "error while attempting to bind on address ('127.0.0.1', 8888): address already in use",
        f"error while attempting to bind on address ('::', 8): [errno {EADDRINUSE}] address already in use",
    ],
)
def test_why_an_address_can_not_be_listened_on_is_told_in_the_systems_words(written: str) -> None:
    error = cannot_listen("127.0.0.1", 8888, OSError(EADDRINUSE, written))
    assert str(error) == "cannot listen on 127.0.0.1:8888: address already in use"
