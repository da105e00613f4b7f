"""A credential is never shown, wherever somebody writes it: in its place, in another's, into a key, into a URL."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from shipper.config import Invalid, load
from shipper.config.diagnostics import dotted
from shipper.config.effective import effective
from shipper.service import registry
from shipper.wire.text import file_name, masked

MARK = "ghp_mark0123456789mark0123456789"

GUARDED: dict[str, Any] = {
    "auth": {
        "token": "ghp_0123",
        "token_file": "token",
        "app": {"client_id": "Iv1", "private_key": "x", "private_key_file": "key.pem", "installation_id": 5},
    },
    "tls": {"insecure": True, "ca_file": "ca.pem", "cert_file": "cert.pem", "key_file": "key.pem"},
    "headers": {"authorization": "x", "x-tenant": "y"},
}


def with_parts(auth: Any = None, tls: Any = None, headers: Any = None, key: Any = "x") -> dict[str, Any]:
    github = {"organization": "acme", "auth": auth or {"token": "ghp_0123"}, "base_url": "http://127.0.0.1:1"}
    exporter = {"endpoint": "http://127.0.0.1:1", "tls": tls or {}, "headers": headers or {}}
    return {
        "receivers": {"github": github | ({"tls": tls} if tls else {})},
        "processors": {"redact": {"key": key, "rules": [{"path": "actor", "action": "hash"}]}},
        "exporters": {"otlphttp": exporter, "otlp": exporter},
        "service": {
            "pipelines": {
                "logs": {"receivers": ["github"], "processors": ["redact"], "exporters": ["otlphttp", "otlp"]}
            },
            "telemetry": {"metrics": {"otlp": {"endpoint": "http://127.0.0.1:1", "headers": headers or {}}}},
        },
    }


def wrong(value: Any) -> Iterator[Any]:
    """A value with the mark in each place: for a value, around it, as a key, beside it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from ({**value, key: each} for each in wrong(inner))
            yield {key: MARK}
        yield {**value, "another": MARK}
        yield {**value, MARK: "x"}
        yield {f"authorization: Bearer {MARK}": None}
        yield {f"authorization={MARK}": None}
        yield {f"token:{MARK}": None}
    yield from (MARK, [MARK], {"a": MARK}, {MARK: None}, f"{MARK}\n", f"Bearer {MARK}", f"dir/{MARK}")
    yield f"-----BEGIN PRIVATE KEY-----\n{MARK}\n"
    yield from (f"http://u:{MARK}@h/", f"${{env:ABSENT}}{MARK}", f"${{file:{MARK}}}", {"a": [{"b": MARK}]})


CASES = [(place, each) for place, value in GUARDED.items() for each in wrong(value)]
CASES += [("key", each) for each in wrong("x")]


def test_no_place_shows_what_stands_below_credentials(tmp_path: Path) -> None:
    """Neither the faults nor the effective configuration, whatever is wrong."""
    shown = []
    path = tmp_path / "pipelines.yaml"
    for place, value in CASES:
        path.write_text(yaml.safe_dump(with_parts(**{place: value})))
        try:
            told = json.dumps(effective(load(path, registry.find, {}, tmp_path, names=registry.names)))
        except Invalid as invalid:
            told = str(invalid)
        if "mark0123" in told:
            shown.append((place, value, next(line for line in told.splitlines() if "mark0123" in line)))
    assert not shown, "\n".join(map(str, shown))


@pytest.mark.parametrize(
    "text",
    [
        f"  auth: {{token: a, token: {MARK}}}",
        f"  auth: {{token: {MARK}, token: b}}",
        f"  auth: {{{MARK}}}",
        f"  auth: {{token:{MARK}}}",
        f"  auth: {{token: &{MARK} x}}",
        f"  auth: {{token: !{MARK} x}}",
        f"  auth: {{token: @{MARK}}}",
        f'  auth: {{token: "{MARK}\\z"}}',
        f"  auth: {{token: '{MARK}}}",
        f"  auth:\n    token: a\n   {MARK}: b",
        f"  auth:\n    token: a\n    {MARK}",
    ],
)
def test_broken_yaml_does_not_show_it_either(tmp_path: Path, text: str) -> None:
    path = tmp_path / "pipelines.yaml"
    path.write_text(f"receivers:\n github:\n{text}\nexporters: {{debug: }}\nservice: {{pipelines: {{}}}}\n")
    with pytest.raises(Invalid) as caught:
        load(path, registry.find, {}, tmp_path, names=registry.names)
    assert "mark0123" not in str(caught.value)


def authority(folder: Path) -> None:
    """A client's certificate, and its key with the mark behind it."""
    made = trustme.CA().issue_cert("client.example")
    made.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    made.private_key_pem.write_to_path(str(folder / "key.pem"))
    with (folder / "key.pem").open("a") as file:
        file.write(MARK)


def test_no_command_shows_a_credential(tmp_path: Path) -> None:
    """Each of them, with every backend closed; what a key file holds is not shown either."""
    authority(tmp_path)
    whole = with_parts(
        {"token": MARK},
        {"cert_file": "cert.pem", "key_file": "key.pem"},
        {"authorization": f"Bearer {MARK}"},
        MARK,
    )
    whole["receivers"]["github"]["proxy_url"] = f"http://me:{MARK}@127.0.0.1:1"
    whole["exporters"]["otlphttp"]["endpoint"] = f"https://127.0.0.1:1/x?{MARK}"
    whole["exporters"]["otlp"] = {**whole["exporters"]["otlp"], "endpoint": "https://127.0.0.1:1"}
    whole["exporters"]["otlphttp/whole"] = {"logs_endpoint": f"http://127.0.0.1:1/x?token={MARK}&a=b"}
    whole["service"]["pipelines"]["logs"]["exporters"].append("otlphttp/whole")
    whole["service"]["admin"] = {"endpoint": "127.0.0.1:0"}
    whole["service"]["telemetry"]["metrics"]["endpoint"] = None
    (tmp_path / "pipelines.yaml").write_text(yaml.safe_dump(whole))
    (tmp_path / "event.json").write_text('{"action": "repo.access", "actor": "octocat"}')
    key = (tmp_path / "key.pem").read_text().splitlines()[1]
    commands = ["validate", "config", "config --output json", "graph", "components github", "check"]
    for command in [*commands, "explain event.json", "run --once --drain-timeout 1s", "state show"]:
        done = subprocess.run(
            [sys.executable, "-m", "shipper", *command.split()],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        told = done.stdout + done.stderr
        assert "mark0123" not in told, (command, told)
        assert key not in told
        assert "Traceback" not in told, (command, told)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://u:p@h/x", "https://***@h/x"),
        ("https://u:p/q@h/x", "https://***@h/x"),
        ("at https://h/x?token=a&b=c#d.", "at https://h/x?token=***&b=***#d."),
        ("https://h/x?abc", "https://h/x?***"),
        ("https://h:443/x", "https://h:443/x"),
        ("who? me@example.com", "who? me@example.com"),
    ],
)
def test_urls_are_shown_without_what_opens_doors(text: str, shown: str) -> None:
    assert masked(text) == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("/run/secrets/token", "/run/secrets/token"),
        (f"/run/{MARK}", "the file named here"),
        ("-----BEGIN RSA PRIVATE KEY-----", "the file named here"),
        ("a\nb", "the file named here"),
    ],
)
def test_a_credential_in_place_of_its_file_is_not_shown(name: str, shown: str) -> None:
    assert file_name(name) == shown


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("x-tenant", "headers.x-tenant"),
        ("authorization: Bearer abc", "headers.authorization…"),
        ("authorization=abc", "headers.authorization…"),
        (MARK, "headers.…"),
    ],
)
def test_a_value_inside_a_key_is_not_shown(key: str, shown: str) -> None:
    assert dotted(("headers", key)) == shown


@pytest.mark.parametrize(
    ("headers", "shown"),
    [
        ({"x-tenant": "tidewatch"}, ["tidewatch-labs"]),
        ({"x-tenant": "tidewatch-labs"}, ["tidewatch-labs"]),
        ({"x-api-key": "tidewatch"}, ["***"]),
        ({"authorization": "tidewatch"}, ["***"]),
    ],
)
def test_a_tenant_in_a_header_hides_no_organization(tmp_path: Path, headers: Any, shown: list[str]) -> None:
    """Neither here nor in the log, whose mask learns the same; in the header itself it is hidden."""
    whole = with_parts(headers=headers)
    del whole["receivers"]["github"]["organization"]
    whole["receivers"]["github"]["organizations"] = ["tidewatch-labs"]
    path = tmp_path / "pipelines.yaml"
    path.write_text(yaml.safe_dump(whole))
    loaded = load(path, registry.find, {}, tmp_path, names=registry.names)
    told = effective(loaded)
    assert told["receivers"]["github"]["organizations"] == shown
    assert set(told["exporters"]["otlp"]["headers"].values()) == {"***"}
    assert bool(loaded.secrets & set(headers.values())) == (shown == ["***"])
