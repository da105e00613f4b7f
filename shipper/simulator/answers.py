"""What the simulator answers: the type, and GitHub's own words for each refusal.

Source: the "Troubleshooting the REST API" page and recorded answers.
`status` repeats the code as text, as GitHub does.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

DOCS: Final = "https://docs.github.com/rest"
LIMITS: Final = "https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api"
SECONDARY: Final = (
    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again. "
    "If you reach out to GitHub Support for help, please include the request ID."
)
NO_PERMISSION_TOKEN: Final = "Resource not accessible by personal access token"  # noqa: S105 - GitHub's words
NO_PERMISSION_APP: Final = "Resource not accessible by integration"
NO_USER_AGENT: Final = (
    "Request forbidden by administrative rules. Please make sure your request has a User-Agent header "
    "(https://docs.github.com/en/rest/overview/resources-in-the-rest-api#user-agent-required). "
    "Check https://developer.github.com for other possible causes.\r\n"
)
UNICORN: Final = (
    "<!DOCTYPE html>\n<html>\n  <head><title>Unicorn! &middot; GitHub</title></head>\n"
    "  <body><p><strong>We had issues producing the response to your request.</strong></p></body>\n</html>\n"
)
HTML: Final = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked, free of any server's types."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    origin: str
    """Scheme and host the client used: what `Link` must name."""
    body: bytes = b""
    concurrent: int = 1
    """How many requests of this token are under way."""
    numeric_path: str = ""
    """The same resource by its number, where it has one."""


@dataclass(slots=True)
class Answer:
    """What is answered, `delay` seconds later. `hang`: nothing ever comes; `cut`: the connection breaks midway."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json; charset=utf-8"
    delay: float = 0.0
    hang: bool = False
    cut: bool = False


def dumps(value: Any) -> bytes:
    """JSON of whatever Python's own parser reads: also integers beyond 64 bits, NaN and lone surrogates."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def json_answer(value: Any, status: int = 200, **headers: str) -> Answer:
    """An answer of JSON; header names are written with underscores."""
    return Answer(status, dumps(value), {name.replace("_", "-"): text for name, text in headers.items()})


def refusal(status: int, message: str, docs: str = DOCS, **headers: str) -> Answer:
    """GitHub's error body."""
    body = {"message": message, "documentation_url": docs, "status": str(status)}
    return json_answer(body, status, **headers)


def not_found(docs: str = DOCS) -> Answer:
    """Not there, or not for you: GitHub doesn't say which."""
    return refusal(404, "Not Found", docs)


def bad_credentials(message: str = "Bad credentials") -> Answer:
    """The token is not known (any more)."""
    return refusal(401, message)


def limit_exceeded(status: int, who: str, docs: str = LIMITS) -> Answer:
    """The hourly budget is used up; the caller adds the budget's headers."""
    return refusal(
        status,
        f"API rate limit exceeded for {who}. If you reach out to GitHub Support for help, please include the "
        "request ID and timestamp.",
        docs,
    )


def html(status: int, text: str) -> Answer:
    """A page of HTML where JSON was wanted."""
    return Answer(status, text.encode(), {}, HTML)
