"""The configuration: every address people paste, and faults found before anything runs."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from shipper.core.component import Paths
from shipper.receivers.github import Config, component
from shipper.receivers.github.addresses import api_address, is_server, slug_of

TOKEN = {"token": "ghp_x"}


def config(**changes):
    return Config.model_validate({"organizations": ["acme"], "auth": TOKEN} | changes)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("https://api.github.com", "https://api.github.com"),
        ("https://api.github.com/", "https://api.github.com"),
        ("https://github.com", "https://api.github.com"),
        ("https://www.github.com/", "https://api.github.com"),
        ("https://acme.ghe.com", "https://api.acme.ghe.com"),
        ("https://api.acme.ghe.com/", "https://api.acme.ghe.com"),
        ("https://github.acme.com", "https://github.acme.com/api/v3"),
        ("https://github.acme.com/", "https://github.acme.com/api/v3"),
        ("https://github.acme.com/api/v3/", "https://github.acme.com/api/v3"),
        ("https://GitHub.Acme.com:8443/api/v3", "https://github.acme.com:8443/api/v3"),
        ("http://127.0.0.1:9180", "http://127.0.0.1:9180"),
        ("http://127.0.0.1:9180/api/v3", "http://127.0.0.1:9180/api/v3"),
        ("https://localhost:9180", "https://localhost:9180"),
        ("http://simulator:9180", "http://simulator:9180"),
    ],
)
def test_an_address_of_github_becomes_that_of_its_api(text, address):
    assert api_address(text) == address


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("https://github.com/orgs/acme", "write base_url: https://api.github.com and organization: acme"),
        ("https://github.com/enterprises/big/settings", "base_url: https://api.github.com and enterprise: big"),
        ("https://ghes.acme.com/organizations/x", "base_url: https://ghes.acme.com/api/v3 and organization: x"),
        ("https://ghes.acme.com/api/graphql", "write https://ghes.acme.com/api/v3"),
        ("https://api.github.com/orgs/acme/audit-log", "organization: acme"),
        ("api.github.com", "write https://api.github.com or https://HOST/api/v3"),
        ("ftp://github.com", "write https://api.github.com"),
        ("https://user:pass@github.com", "without user, query or fragment"),
        ("https://github.com?token=x", "without user, query or fragment"),
    ],
)
def test_an_address_that_is_none_of_the_api_is_answered_with_the_right_one(text, said):
    with pytest.raises(ValueError, match="write") as caught:
        api_address(text)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "kind", "slug"),
    [
        ("acme-corp", "organization", "acme-corp"),
        ("https://github.com/orgs/acme-corp", "organization", "acme-corp"),
        ("https://github.com/organizations/acme-corp/settings", "organization", "acme-corp"),
        ("https://github.com/acme-corp/", "organization", "acme-corp"),
        ("github.com/acme-corp", "organization", "acme-corp"),
        ("https://github.com/enterprises/big_one", "enterprise", "big_one"),
        ("13827", "enterprise", "13827"),
    ],
)
def test_a_slug_is_found_in_the_address_of_its_page(text, kind, slug):
    assert slug_of(text, kind) == slug


@pytest.mark.parametrize("text", ["", "a b", "a/../b/c", "-x", "https://github.com/acme/repo", "x?y", "a" * 101])
def test_what_is_no_slug_is_refused(text):
    with pytest.raises(ValueError, match="not the slug of an organization"):
        slug_of(text, "organization")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"organizations": []}, "needs organizations"),
        ({"organization": "acme"}, "either organization or organizations"),
        ({"auth": {}}, "exactly one of token, token_file and app"),
        ({"auth": {"token": "a", "token_file": "b"}}, "exactly one of token, token_file and app"),
        ({"auth": {"token": ""}}, "empty or has characters no token has"),
        ({"auth": {"token": "a\nb"}}, "empty or has characters no token has"),
        ({"auth": {"app": {"client_id": "x"}}}, "exactly one of private_key_file and private_key"),
        (
            {"auth": {"app": {"client_id": "x", "app_id": 1, "private_key": "k"}}},
            "exactly one of client_id and app_id",
        ),
        ({"poll_interval": 0}, "greater than 0"),
        ({"streams": {"audit_log": {"include": "everything"}}}, "'web', 'git' or 'all'"),
        ({"streams": {"code_scanning": {"states": ["closed"]}}}, "'open', 'dismissed' or 'fixed'"),
        ({"api_version": "v3"}, "String should match pattern"),
        ({"proxy_url": "proxy:3128"}, "String should match pattern"),
        ({"proxy_url": "http://me:pw@proxy:abc"}, "its host or port is wrong"),
        ({"proxy_url": "http://proxy:0"}, "its host or port is wrong"),
        ({"proxy_url": "http://pro xy:3128"}, "its host or port is wrong"),
        ({"proxy_url": "http://:3128"}, "its host or port is wrong"),
    ],
)
def test_a_configuration_that_cannot_be_meant_is_refused(changes, said):
    with pytest.raises(ValidationError) as caught:
        config(**changes)
    assert said in str(caught.value)


def test_no_error_shows_a_secret():
    with pytest.raises(ValidationError) as caught:
        config(auth={"token": "ghp_secret value"})
    assert all("ghp_secret" not in error["msg"] for error in caught.value.errors())


def test_absent_streams_have_their_defaults_and_each_may_be_off():
    streams = config().streams
    assert (streams.audit_log.overlap, streams.audit_log.initial_lookback) == (600.0, 86400.0)
    assert streams.code_scanning.states == ["open", "dismissed", "fixed"]
    assert (streams.secret_scanning, streams.dependabot) == (False, False)
    changed = config(streams={"audit_log": False, "secret_scanning": True, "dependabot": {}}).streams
    assert changed.audit_log is False
    assert changed.secret_scanning.states == ["open", "resolved"]
    assert changed.dependabot.states == ["open", "dismissed", "fixed", "auto_dismissed"]


def test_a_variable_switches_streams():
    """`code_scanning: ${env:SCAN}`: what is expanded is a text."""
    streams = config(streams={"code_scanning": "false", "dependabot": "true"}).streams
    assert streams.code_scanning is False
    assert streams.dependabot.states == ["open", "dismissed", "fixed", "auto_dismissed"]


def test_a_number_switches_no_stream():
    with pytest.raises(ValidationError):
        config(streams={"code_scanning": 1})


def test_an_empty_body_of_a_stream_is_its_default_and_switches_none_on():
    """`null` is what absence is: `secret_scanning:` with nothing behind it does not begin to poll secrets."""
    named = ("audit_log", "code_scanning", "secret_scanning", "dependabot")
    assert config(streams=dict.fromkeys(named)).streams == config().streams


def test_one_organization_may_stand_alone_and_none_is_polled_twice():
    assert Config(organization="acme", auth=TOKEN).all_organizations == ["acme"]
    assert config(organizations=["acme", "Tide", "ACME", "tide"]).all_organizations == ["acme", "Tide"]


def test_the_picture_of_a_pipeline_names_the_streams(tmp_path):
    assert repr(component.build(config(), None)) == "github(audit_log, code_scanning)"


@pytest.mark.parametrize(
    ("base_url", "server"),
    [("https://api.github.com", False), ("https://x.ghe.com", False), ("https://ghes.acme.com", True)],
)
def test_clouds_are_told_from_servers(base_url, server):
    assert is_server(api_address(base_url)) is server


def problems(tmp_path: Path, **changes):
    found = component.check(config(**changes), Paths(tmp_path, tmp_path))
    return [(problem.loc, problem.code, problem.severity) for problem in found]


def test_a_good_configuration_has_no_problem(tmp_path):
    assert problems(tmp_path) == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"tls": {"ca_file": "no.pem"}}, (("tls", "ca_file"), "missing-file", "error")),
        ({"base_url": "http://github.acme.com/api/v3"}, (("base_url",), "insecure-address", "warning")),
        ({"streams": {"audit_log": False, "code_scanning": False}}, (("streams",), "no-streams", "warning")),
        ({"auth": {"token_file": "none"}}, (("auth", "token_file"), "unreadable-file", "warning")),
        (
            {"auth": {"app": {"client_id": "x", "private_key_file": "none"}}},
            (("auth", "app", "private_key_file"), "unreadable-file", "error"),
        ),
        (
            {"auth": {"app": {"client_id": "x", "private_key": "no key"}}},
            (("auth", "app", "private_key"), "bad-private-key", "error"),
        ),
    ],
)
def test_faults_are_found_without_network(tmp_path, changes, problem):
    assert problems(tmp_path, **changes) == [problem]


@pytest.mark.parametrize(
    ("places", "found"),
    [
        ({"organizations": ["acme", "tide"]}, ["one-installation"]),
        ({"organizations": ["acme"], "enterprise": "big"}, ["one-installation"]),
        ({"organizations": ["acme", "ACME"]}, []),
        ({"organizations": [], "enterprise": "big"}, []),
    ],
)
def test_an_installation_belongs_to_one_organization(tmp_path, pem, places, found):
    """The token of one organization's installation sees no other: each of the others would answer 404."""
    app = {"client_id": "x", "private_key": pem, "installation_id": 7}
    assert [code for _, code, _ in problems(tmp_path, **places, auth={"app": app})] == found
    del app["installation_id"]
    assert problems(tmp_path, **places, auth={"app": app}) == []
