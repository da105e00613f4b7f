"""What each kind of fault does: answers instead of the right one, and right answers spoiled.

Pure. The wording is GitHub's; see "Troubleshooting the REST API" and "Authenticating with single sign-on".
"""

from collections.abc import Callable
from typing import Final

from shipper.simulator import answers
from shipper.simulator.answers import Answer, Request
from shipper.simulator.faults import Fault
from shipper.simulator.paging import link_header, link_target

OTHER_HOST: Final = "https://elsewhere.example"


def instead(fault: Fault, login: str | None, permissions: str, now: int) -> Answer | None:
    """The answer that comes before any work is done; None: the fault spoils the right answer."""
    make = _REFUSALS.get(fault.kind)
    return make(fault, login or "the organization", permissions, now) if make else None


def spoil(fault: Fault, request: Request, answer: Answer) -> Answer:
    """The right answer, made wrong."""
    change = _SPOILS.get(fault.kind)
    if change and answer.status == 200:
        change(fault, request, answer)
    return answer


def _permission(_: Fault, login: str, permissions: str, now: int) -> Answer:  # noqa: ARG001 - one shape for all
    accepted = {"X_Accepted_GitHub_Permissions": permissions} if permissions else {}
    return answers.refusal(403, answers.NO_PERMISSION_TOKEN, **accepted)


def _integration(_: Fault, login: str, permissions: str, now: int) -> Answer:  # noqa: ARG001 - as above
    accepted = {"X_Accepted_GitHub_Permissions": permissions} if permissions else {}
    return answers.refusal(403, answers.NO_PERMISSION_APP, **accepted)


def _quota(fault: Fault, login: str, permissions: str, now: int) -> Answer:  # noqa: ARG001 - as above
    answer = answers.limit_exceeded(int(fault.kind[:3]), "user ID 583231")
    answer.headers |= {
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": str(now // 1000 + int(fault.value or 60)),
    }
    return answer


def _secondary(fault: Fault, *_: object) -> Answer:
    headers = {"Retry_After": str(int(fault.value or 60))} if fault.kind.endswith("retry-after") else {}
    return answers.refusal(int(fault.kind[:3]), answers.SECONDARY, answers.LIMITS, **headers)


def _sso(_: Fault, login: str, *__: object) -> Answer:
    where = f"required; url=https://github.com/orgs/{login}/sso?authorization_request=A1B2C3"
    message = (
        "Resource protected by organization SAML enforcement. You must grant your Personal Access token access to "
        "this organization."
    )
    return answers.refusal(403, message, X_GitHub_SSO=where)


def _allow_list(_: Fault, login: str, *__: object) -> Answer:
    return answers.refusal(
        403,
        f"Although you appear to have the correct authorization credentials, the `{login}` organization has an IP "
        "allow list enabled, and your IP address is not permitted to access this resource.",
    )


def _plain(status: int, message: str) -> Callable[..., Answer]:
    return lambda *_: answers.refusal(status, message)


def _html(status: int) -> Callable[..., Answer]:
    return lambda *_: answers.html(status, answers.UNICORN)


_REFUSALS: Final[dict[str, Callable[..., Answer]]] = {
    "401": _plain(401, "Bad credentials"),
    "403-permission": _permission,
    "403-integration": _integration,
    "403-quota": _quota,
    "429-quota": _quota,
    "403-secondary": _secondary,
    "429-secondary": _secondary,
    "403-retry-after": _secondary,
    "429-retry-after": _secondary,
    "404": _plain(404, "Not Found"),
    "410": _plain(410, "Gone"),
    "422": _plain(422, "Validation Failed"),
    "500": _plain(500, "Server Error"),
    "502-html": _html(502),
    "503": _plain(503, "Service unavailable"),
    "504": _html(504),
    "sso": _sso,
    "ip-allow-list": _allow_list,
    "suspended": _plain(403, "This installation has been suspended"),
    "200-error-body": lambda *_: answers.json_answer(
        {"message": "Server Error", "documentation_url": answers.DOCS}
    ),
    "200-html": _html(200),
    "200-empty": lambda *_: Answer(200),
    "hang": lambda *_: Answer(200, hang=True),
}


def _splice(answer: Answer, member: bytes) -> None:
    """Put one more member into the first object of the page."""
    if answer.body.startswith(b"[{"):
        answer.body = b"[{" + member + b"," + answer.body[2:]


def _string_event(_: Fault, __: Request, answer: Answer) -> None:
    rest = answer.body[1:]
    answer.body = b'["an event that is a string"' + (rest if rest == b"]" else b"," + rest)


def _truncate(_: Fault, __: Request, answer: Answer) -> None:
    answer.body = answer.body[: len(answer.body) * 2 // 3] if len(answer.body) > 2 else b"["


def _object(_: Fault, __: Request, answer: Answer) -> None:
    answer.body = b'{"items":' + answer.body + b"}"


def _member(text: bytes) -> Callable[[Fault, Request, Answer], None]:
    return lambda _, __, answer: _splice(answer, text)


def _huge(fault: Fault, _: Request, answer: Answer) -> None:
    _splice(answer, b'"huge":"' + b"x" * int(fault.value or 10_000_000) + b'"')


def _deep(fault: Fault, _: Request, answer: Answer) -> None:
    levels = int(fault.value or 500)
    _splice(answer, b'"deep":' + b"[" * levels + b"]" * levels)


def _other_host(_: Fault, request: Request, answer: Answer) -> None:
    link = answer.headers.get("Link")
    default = f'<{request.origin}{request.path}?after=QQ>; rel="next"'
    answer.headers["Link"] = (link or default).replace(request.origin, OTHER_HOST)


def _loop(_: Fault, request: Request, answer: Answer) -> None:
    answer.headers["Link"] = link_header(request.origin + request.path, request.query, {"next": {}})


def _slow(fault: Fault, _: Request, answer: Answer) -> None:
    answer.delay = fault.value if fault.value is not None else 5.0


def _reset(_: Fault, __: Request, answer: Answer) -> None:
    answer.cut = True


def _moved(_: Fault, request: Request, answer: Answer) -> None:
    if request.numeric_path not in {"", request.path}:
        answer.status, answer.body = 301, b""
        answer.headers["Location"] = link_target(request.origin + request.numeric_path, request.query)


def _lured(_: Fault, request: Request, answer: Answer) -> None:
    answer.status, answer.body = 302, b""
    answer.headers["Location"] = link_target(OTHER_HOST + request.path, request.query)


_SPOILS: Final[dict[str, Callable[[Fault, Request, Answer], None]]] = {
    "truncated": _truncate,
    "page-is-object": _object,
    "string-event": _string_event,
    "nan": _member(b'"not_a_number":NaN,"infinite":-Infinity'),
    "huge-field": _huge,
    "huge-integer": _member(b'"huge_integer":' + b"9" * 40),
    "deep": _deep,
    "lone-surrogate": _member(b'"lone_surrogate":"half \\ud83d of it"'),
    "invalid-utf8": _member(b'"invalid":"\xff\xfe"'),
    "link-other-host": _other_host,
    "link-loop": _loop,
    "slow": _slow,
    "reset": _reset,
    "301": _moved,
    "302-other-host": _lured,
}
