"""What to do about each refusal of GitHub, in words for an operator. Pure.

Source: docs.github.com "Troubleshooting the REST API"; which permission opens which stream: the pages of the
endpoints.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from shipper.wire.github_page import printable

Kind: TypeAlias = Literal["organization", "enterprise"]

#: Fine-grained permission and classic scope by stream.
PERMISSIONS: Final = {
    "audit_log": ("organization permission Administration: read", "read:audit_log"),
    "code_scanning": ("repository permission Code scanning alerts: read", "security_events"),
    "secret_scanning": ("repository permission Secret scanning alerts: read", "security_events"),
    "dependabot": ("repository permission Dependabot alerts: read", "security_events"),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """What is asked for: a stream of an organization or an enterprise."""

    slug: str
    stream: str
    kind: Kind = "organization"
    app: bool = False
    """Whether a GitHub App asks."""
    namesake: bool = False
    """Whether it is an enterprise beside an organization of the same slug."""

    @property
    def place(self) -> str:
        """Its slug, made distinct where two have the same."""
        return f"enterprises/{self.slug}" if self.namesake else self.slug

    def __str__(self) -> str:
        """For messages."""
        return f"{self.stream} of {self.kind} {self.slug}"


def not_the_api(subject: Subject, status: int) -> str:
    """What it means that a refusal is a page for people."""
    return (
        f"{status} for {subject} came as a web page, so it is not GitHub's API that answers; let the proxy on the "
        "way pass these requests, or put the API's address into base_url (https://HOST/api/v3 for a server)"
    )


def remedy(subject: Subject, status: int, message: str, headers: Mapping[str, str]) -> str:
    """Why GitHub refuses, and what to do."""
    said = f" (GitHub: {message})" if message else ""
    if status == 401:
        return f"{_bad_credentials(subject)}{said}"
    if status == 403:
        return f"{_forbidden(subject, message, headers)}{said}"
    if status == 404:
        return f"{_not_found(subject)}{said}"
    if status in (400, 410, 422):
        return (
            f"GitHub refused the request for {subject} with {status}; check api_version against what this "
            f"server knows{said}"
        )
    if status in (301, 302, 303, 307, 308):
        return f"GitHub redirects {subject} to an address that is not followed; check base_url"
    return f"GitHub answered {status} to {subject}; check base_url{said}"


def _bad_credentials(subject: Subject) -> str:
    if subject.app:
        return (
            "401 Bad credentials: the installation token was refused, a fresh one too; check that the App is "
            f"installed on {subject.slug} and that its private key was not deleted"
        )
    return (
        f"401 Bad credentials for {subject}: the token is wrong, expired or revoked, or was made for another "
        f"organization; make a new one with {subject.slug} as its resource owner and put it where auth points"
    )


def _forbidden(subject: Subject, message: str, headers: Mapping[str, str]) -> str:
    words = message.lower()
    if "x-github-sso" in headers or "saml" in words:
        return (
            f"403: {subject.slug} enforces SAML single sign-on and the token is not authorized for it; "
            f"authorize it under Settings > Developer settings > tokens > Configure SSO{_sso(headers)}"
        )
    if "ip allow list" in words or "ip address" in words:
        return (
            f"403: the IP allow list of {subject.slug} does not hold this address; add it under the "
            "organization's Settings > Authentication security"
        )
    if "suspended" in words:
        return (
            f"403: the App's installation on {subject.slug} is suspended; an owner can unsuspend it in the "
            "settings"
        )
    if "user-agent" in words or "administrative rules" in words:
        return "403: the request was refused by administrative rules; a proxy may have taken the User-Agent away"
    if "must be enabled" in words or "not enabled" in words or "disabled" in words:
        return f"403: {subject} is not switched on there; enable it, or set streams.{subject.stream}: false"
    return f"403: {_permission(subject, headers)}"


def _sso(headers: Mapping[str, str]) -> str:
    address = headers.get("x-github-sso", "").partition("url=")[2].partition(";")[0].strip()
    return f" at {printable(address, 300)}" if address.startswith("https://") else ""


def _permission(subject: Subject, headers: Mapping[str, str]) -> str:
    fine, classic = PERMISSIONS[subject.stream]
    wanted = headers.get("x-accepted-github-permissions", "")
    asked = f"; GitHub asks for {_alternatives(wanted)}" if wanted else ""
    missing = f"{subject} needs {fine}{asked}"
    if subject.app:
        return f"{missing}; grant it to the App and accept the change in the organization's installed Apps"
    if subject.kind == "enterprise":
        return f"{missing}, or a classic token with {classic} of an enterprise owner; recreate the token with it"
    return f"{missing}; recreate the token with it (a classic token: {classic}), made by an owner"


def _alternatives(header: str) -> str:
    """`X-Accepted-GitHub-Permissions`: a comma means and, a semicolon or."""
    choices = [" and ".join(part.strip() for part in choice.split(",")) for choice in header.split(";")]
    return printable(" or ".join(choices), 200)


def _not_found(subject: Subject) -> str:
    fine, classic = PERMISSIONS[subject.stream]
    if subject.stream == "audit_log":
        plan = "GitHub Enterprise Cloud or Server" if subject.kind == "organization" else "an enterprise account"
        return (
            f"404 for {subject}, which has one of three causes; the token has no permission for it ({fine}, or "
            f"classic {classic}), its user is no owner of {subject.slug}, or the plan has no audit log API "
            f"({plan} is needed); check the spelling, too"
        )
    return (
        f"404 for {subject}, which has one of three causes; the token has no permission for it ({fine}, or "
        f"classic {classic}), its user is neither owner nor security manager, or {subject.slug} is misspelled or "
        "has no such alerts in its plan"
    )
