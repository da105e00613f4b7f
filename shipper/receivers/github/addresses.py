"""Where GitHub's API is, from whatever address people paste. Pure."""

import re
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, quote, urlsplit

CLOUD: Final = "https://api.github.com"
_SLUG: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?")
_WEB_PATHS: Final = ("orgs", "organizations", "enterprises")


def api_address(text: str) -> str:
    """The API's base address for an API address or a web address of the same place.

    Raises:
        ValueError: it is none; says what to write instead.
    """
    parts = urlsplit(text.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"not an address; write {CLOUD} or https://HOST/api/v3")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("write the plain address, without user, query or fragment; the token goes to auth")
    base = _base(parts)
    path = parts.path.strip("/")
    if path and path != urlsplit(base).path.strip("/"):
        raise ValueError(_instead(base, path))
    return base


def _base(parts: SplitResult) -> str:
    """Where the API of a host is, whatever path was given."""
    host = (parts.hostname or "").lower()
    if host in ("github.com", "www.github.com", "api.github.com"):
        return CLOUD
    if host.endswith(".ghe.com"):
        return f"https://{host}" if host.startswith("api.") else f"https://api.{host}"
    origin = f"{parts.scheme}://{parts.netloc.lower()}"
    path = parts.path.strip("/")
    if parts.scheme == "https" and not _local(host):
        return f"{origin}/api/v3"
    known = path.split("/")[0] in _WEB_PATHS
    return origin if known or not path else f"{origin}/{path}"


def _local(host: str) -> bool:
    """Whether a host is a trial or a test rather than an Enterprise Server."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _instead(base: str, path: str) -> str:
    first, _, rest = path.partition("/")
    slug = rest.split("/")[0]
    if first == "enterprises" and slug:
        return f"the address of an enterprise's page; write base_url: {base} and enterprise: {slug}"
    if first in _WEB_PATHS and slug:
        return f"the address of an organization's page; write base_url: {base} and organization: {slug}"
    return f"not the address of the API; write {base}"


def slug_of(text: str, kind: str) -> str:
    """The slug in a slug or in the web address of an organization's or enterprise's page.

    Raises:
        ValueError: there is none; says what to write instead.
    """
    name = text.strip().rstrip("/")
    if "/" in name:
        path = [part for part in urlsplit(name if "//" in name else f"https://{name}").path.split("/") if part]
        places = _WEB_PATHS[2:] if kind == "enterprise" else _WEB_PATHS[:2]
        name = path[1] if len(path) > 1 and path[0] in places else path[0] if len(path) == 1 else ""
    if not _SLUG.fullmatch(name) or len(name) > 100 or name in _WEB_PATHS:
        raise ValueError(f"not the slug of an {kind}; write it as in https://github.com/{kind_path(kind)}/SLUG")
    return name


def kind_path(kind: str) -> str:
    """The segment of GitHub's paths for an organization or an enterprise."""
    return "orgs" if kind == "organization" else "enterprises"


def is_server(base: str) -> bool:
    """Whether it is an Enterprise Server (or a stand-in for one) rather than GitHub's cloud."""
    host = urlsplit(base).hostname or ""
    return not (host == "api.github.com" or host.endswith(".ghe.com"))


def place_path(kind: str, slug: str) -> str:
    """The API's path of an organization or an enterprise."""
    return f"/{kind_path(kind)}/{quote(slug, safe='')}"
