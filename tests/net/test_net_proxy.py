"""Which proxy leads where."""

import pytest

from shipper.net.proxy import Proxy, is_loopback, proxy_of

GITHUB = "https://api.github.com"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("environment", "url", "configured", "proxy"),
    [
        ({}, GITHUB, None, None),
        ({}, GITHUB, "http://p:1", ("http://p:1", "proxy_url")),
        ({"HTTPS_PROXY": "http://p:2"}, GITHUB, None, ("http://p:2", "HTTPS_PROXY")),
        ({"HTTPS_PROXY": "http://p:2"}, GITHUB, "http://p:1", ("http://p:1", "proxy_url")),
        ({"HTTPS_PROXY": "http://p:2"}, "http://ghes.test", None, None),
        ({"HTTP_PROXY": "http://p:2"}, "http://ghes.test", None, ("http://p:2", "HTTP_PROXY")),
        ({"HTTPS_PROXY": "http://p:2", "NO_PROXY": "github.com"}, GITHUB, None, None),
        ({"HTTPS_PROXY": "http://p:2", "NO_PROXY": "api.github.com:443"}, GITHUB, None, None),
        ({"HTTPS_PROXY": "http://p:2", "NO_PROXY": "*"}, GITHUB, None, None),
        (
            {"https_proxy": "http://p:3", "HTTPS_PROXY": "http://p:2", "NO_PROXY": "example.com"},
            GITHUB,
            None,
            ("http://p:3", "https_proxy"),
        ),
    ],
)
def test_the_proxy_is_found_as_curl_finds_it(
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    url: str,
    configured: str | None,
    proxy: tuple[str, str] | None,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_of(url, configured) == proxy


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.1", "[::1]"])
def test_no_variable_sends_elsewhere_what_stays_on_this_machine(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    """An explicit proxy_url is used as it is given."""
    monkeypatch.setenv("http_proxy", "http://p:1")
    monkeypatch.setenv("https_proxy", "http://p:1")
    assert [proxy_of(f"{scheme}://{host}:8080/x", None) for scheme in ("http", "https")] == [None, None]
    assert proxy_of(f"http://{host}:8080", "http://p:2") == Proxy("http://p:2", "proxy_url")


@pytest.mark.parametrize(
    ("host", "is_own"),
    [
        ("localhost", True),
        ("a.localhost", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("localhost.example.com", False),
        ("collector", False),
    ],
)
def test_loopback_is_told_from_the_name_alone(host: str, is_own: bool) -> None:
    assert is_loopback(host) is is_own
