"""No fault hides another: what is wrong in two places of a file is told in one round, and nothing that follows.

Each component has a body that is right and a table of faults, those that its model finds and those that its check
finds. Every two of them that can stand beside each other are put into one file.
"""

import copy
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from shipper.config import Invalid, load
from shipper.service import registry

BROKEN = Path(__file__).parent / "broken"

BODIES: dict[str, Any] = {
    "receivers.github": {
        "organization": "acme-corp",
        "auth": {"token": "ghp_0123456789abcdef"},
        "tls": {},
        "streams": {"audit_log": {"include": "all"}},
    },
    "processors.rules": {
        "rules": [
            {"name": "a", "match": {"action": "x"}, "severity": "high"},
            {"name": "b", "match": {"action": "y"}, "severity": "low"},
            {"name": "c", "match": {"action": "z"}, "severity": "low"},
        ],
    },
    "processors.schema": {"schemas": {"audit_log": "files/fine.schema.json"}},
    "processors.redact": {
        "key": "a-key-of-hashes",
        "rules": [{"path": "actor", "action": "hash"}, {"pattern": "email", "action": "mask"}],
    },
    "exporters.otlp": {"endpoint": "collector:4317", "tls": {}, "headers": {}, "batch": {}},
    "exporters.otlphttp": {"endpoint": "https://collector:4318", "tls": {}, "headers": {}, "batch": {}},
    "exporters.syslog": {"endpoint": "siem", "network": "tcp", "batch": {}},
    "exporters.syslog/udp": {"endpoint": "siem", "network": "udp"},
    "exporters.file": {"path": "out.jsonl", "batch": {}, "retry_on_failure": {}},
    "exporters.debug": {"batch": {}},
}


class Fault(NamedTuple):
    """What to write where, and the codes that are told of it."""

    at: str
    value: Any
    told: str


FAULTS: dict[str, list[Fault]] = {
    "receivers.github": [
        Fault("poll_interval", 300, "bad-duration"),
        Fault("pol_interval", "5m", "unknown-key"),
        Fault("base_url", "https://github.com/acme", "bad-value"),
        Fault("organization", "acme corp", "bad-value"),
        Fault("organization", None, "wrong-combination"),
        Fault("organizations", "acme", "wrong-type"),
        Fault("api_version", "v3", "bad-value"),
        Fault("auth.tokn", "x", "unknown-key"),
        Fault("auth.token_file", "absent-token", "wrong-combination"),
        Fault("auth", None, "missing-key"),
        Fault("auth", {"token_file": "absent-token"}, "unreadable-file"),
        Fault("auth", {"app": {"client_id": "Iv1", "private_key_file": "absent.pem"}}, "unreadable-file"),
        Fault("auth", {"app": {"client_id": "Iv1", "private_key": "no key"}}, "bad-private-key"),
        Fault("auth", {"app": {"client_id": "Iv1"}}, "wrong-combination"),
        Fault("tls.ca_file", "absent-ca.pem", "missing-file"),
        Fault("tls.ca_file", "files/broken.json", "bad-tls-file"),
        Fault("tls.cert_file", "files/broken.json", "missing-key"),
        Fault("tls.min_version", "1.1", "unknown-value"),
        Fault("streams.audit_log.include", "webs", "unknown-value"),
        Fault("streams.audit_log.overlap", "${env:ABSENT_ONE}", "unset-variable"),
        Fault("streams", {"audit_log": False, "code_scanning": False}, "no-streams"),
        Fault("rate_limit", {"min_remaining": -1}, "out-of-range"),
        Fault("body", "${env:ABSENT_TWO}", "unset-variable"),
    ],
    "processors.rules": [
        Fault("default_severity", "hihg", "unknown-value"),
        Fault("use", ["github-defaults"], "unknown-set"),
        Fault("use", "github-default", "wrong-type"),
        Fault("sigma", ["absent.yml"], "missing-file"),
        Fault("sigma", ["files/broken.sigma.yml"], "bad-sigma"),
        Fault("lists", {"names": "absent.txt"}, "unreadable-file"),
        Fault("rules.0.severity", "hihg", "unknown-value"),
        Fault("rules.0.name", "b", "duplicate-rule"),
        Fault("rules.0.name", None, "missing-key"),
        Fault("rules.0.match", None, "missing-key"),
        Fault("rules.0.serverity", "high", "unknown-key"),
        Fault("rules.0.severity", None, "no-effect"),
        Fault("rules.0.drop", True, "severity-and-drop"),
        Fault("rules.0.drop", "sometimes", "wrong-type"),
        Fault("rules.0.mode", "dry", "unknown-value"),
        Fault("rules.0.set", {"severity": "x"}, "reserved-attribute"),
        Fault("rules.0.match.action|re", "[a", "bad-regex"),
        Fault("rules.1.match.actor_ip|cidr", "10.0.0.0/33", "bad-cidr"),
        Fault("rules.1.match.actor|expand", "%absent%", "unknown-list"),
        Fault("rules.1.name", "B", "bad-value"),
        Fault("rules.1.match.action", "${env:ABSENT_ONE}", "unset-variable"),
        Fault("rules.2.match", {"action": "y", "actor": "m"}, "rule-never-matches"),
        Fault("rules.2.not", {}, "empty-match"),
        Fault("rules.2.match.size|gt", "many", "wrong-type"),
        Fault("rules.2", "a text", "wrong-type"),
    ],
    "processors.schema": [
        Fault("on_invalid", "ignore", "unknown-value"),
        Fault("on_invalid", "${env:ABSENT_ONE}", "unset-variable"),
        Fault("schema", "x", "unknown-key"),
        Fault("schemas.code_scanning", "absent.json", "unreadable-file"),
        Fault("schemas.secret_scanning", "files/broken.json", "bad-schema"),
        Fault("schemas.dependabot", ["a"], "wrong-type"),
    ],
    "processors.redact": [
        Fault("key", ["x"], "wrong-type"),
        Fault("key", None, "missing-key"),
        Fault("keys", "x", "unknown-key"),
        Fault("rules.0.action", "hush", "unknown-value"),
        Fault("rules.0.path", "data..email", "bad-path"),
        Fault("rules.0.pattern", "[a", "path-or-pattern bad-regex"),
        Fault("rules.1.pattern", "(?=x)", "bad-regex"),
        Fault("rules.1.pattern", None, "path-or-pattern"),
        Fault("rules.1.action", None, "missing-key"),
    ],
    "exporters.otlp": [
        Fault("endpoint", "collector", "bad-value"),
        Fault("endpoint", None, "missing-key"),
        Fault("endpoint", ["collector:4317"], "wrong-type"),
        Fault("tls.ca_file", "absent.pem", "missing-file"),
        Fault("tls.insecure", "sometimes", "wrong-type"),
        Fault("headers", {"grpc-x": "y"}, "bad-value"),
        Fault("headers", {"te": "y", "bad name": "z"}, "bad-value bad-value"),
        Fault("headers", "authorization", "wrong-type"),
        Fault("compression", "brotli", "unknown-value"),
        Fault("compression", "zstd", "no-effect"),
        Fault("batch.max_records", 0, "out-of-range"),
        Fault("timeout", 10, "bad-duration"),
    ],
    "exporters.otlphttp": [
        Fault("endpoint", "collector:4318", "bad-value"),
        Fault("endpoint", None, "missing-key"),
        Fault("endpoints", "x", "unknown-key"),
        Fault("encoding", "xml", "unknown-value"),
        Fault("tls.ca_file", "files/broken.json", "bad-tls-file"),
        Fault("tls.key_file", "files/broken.json", "missing-key"),
        Fault("headers", {"content-type": "x"}, "bad-value"),
        Fault("headers", {"x-a": "a\nb"}, "bad-value"),
        Fault("retry_on_failure", {"multiplier": 0.5}, "out-of-range"),
    ],
    "exporters.syslog": [
        Fault("facility", "locale0", "bad-value"),
        Fault("network", "upd", "unknown-value"),
        Fault("endpoint", "siem:514", "bad-value"),
        Fault("port", 70000, "out-of-range"),
        Fault("protocol", "5424", "unknown-value"),
        Fault("batch.max_records", "many", "wrong-type"),
        Fault("tls", {"ca_file": "absent.pem"}, "missing-file"),
        Fault("tls", {"insecure": "${env:ABSENT_ONE}"}, "unset-variable"),
        Fault("on_oversize", "cut", "unknown-value"),
    ],
    "exporters.syslog/udp": [
        Fault("facility", 24, "out-of-range"),
        Fault("tls", {"ca_file": "absent.pem"}, "tls-needs-tcp missing-file"),
        Fault("enable_octet_counting", True, "framing-needs-stream"),
        Fault("max_message_size", "1MiB", "datagram-size"),
        Fault("bom", "perhaps", "wrong-type"),
        Fault("message_formats", "cef", "unknown-key"),
    ],
    "exporters.file": [
        Fault("path", "", "out-of-range"),
        Fault("path", None, "missing-key"),
        Fault("format", "csv", "unknown-value"),
        Fault("batch.flush_interval", 5, "bad-duration"),
        Fault("retry_on_failure.enabled", "perhaps", "wrong-type"),
    ],
    "exporters.debug": [
        Fault("verbosity", "loud", "unknown-value"),
        Fault("batch.max_bytes", "64 elephants", "bad-size"),
        Fault("timeout", "${env:ABSENT_ONE}${env:ABSENT_TWO}", "unset-variable"),
    ],
}

#: Two of which one decides whether, or how, the other is a fault.
DEPENDENT = {
    ("organization wrong-combination", "organizations wrong-type"): "the organizations may be those",
    ("rules.0.name duplicate-rule", "rules.1.name bad-value"): "the other's name is not known",
    ("rules.0.severity no-effect", "rules.0.drop wrong-type"): "it may drop",
    ("rules.0.severity no-effect", "rules.0.serverity unknown-key"): "the severity is there, under a wrong key",
    ("rules.0.severity no-effect", "rules.0.drop severity-and-drop"): "a rule that drops needs none",
    ("rules.0.drop severity-and-drop", "rules.0.set reserved-attribute"): "is set and dropped, too",
    ("rules.1.match.actor_ip|cidr bad-cidr", "rules.2.match rule-never-matches"): "what it matches is not known",
    ("rules.1.match.actor|expand unknown-list", "rules.2.match rule-never-matches"): "so here",
    ("rules.1.match.action unset-variable", "rules.2.match rule-never-matches"): "and here",
    ("rules.1.name bad-value", "rules.2.match rule-never-matches"): "how to call the other is not known",
    ("rules.2.not empty-match", "rules.2.match rule-never-matches"): "what is left of it is not known",
    ("key missing-key", "keys unknown-key"): "the key is there, under a wrong key",
    ("key missing-key", "rules.0.action unknown-value"): "the rule may not hash",
    ("endpoint missing-key", "endpoints unknown-key"): "the endpoint is there, under a wrong key",
}


def independent(one: Fault, other: Fault) -> bool:
    names = [f"{fault.at} {fault.told}" for fault in (one, other)]
    return not {tuple(names), tuple(reversed(names))} & DEPENDENT.keys()


def put(body: Any, at: str, value: Any) -> None:
    """Write a value at a path; None takes out what is there."""
    *above, last = [int(step) if step.isdecimal() else step for step in at.split(".")]
    for step in above:
        body = body[step]
    if value is None:
        del body[last]
    else:
        body[last] = value


def with_part(part: str, body: Any) -> dict[str, Any]:
    """A whole file with that body."""
    whole = {
        "receivers": {"github": BODIES["receivers.github"]},
        "processors": {},
        "exporters": {"debug": {}},
    }
    section, name = part.split(".")
    whole[section][name] = body
    pipeline = {place: list(whole[place]) for place in whole if whole[place]}
    return copy.deepcopy(whole | {"service": {"pipelines": {"logs": pipeline}}})


Told = Callable[[str, tuple[Fault, ...]], set[tuple[str, str]]]


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Told:
    """What is told of a part with these faults, whatever the line."""
    monkeypatch.chdir(BROKEN)
    path = tmp_path / "pipelines.yaml"

    def of(part: str, faults: tuple[Fault, ...]) -> set[tuple[str, str]]:
        body = copy.deepcopy(BODIES[part])
        for fault in sorted(faults, key=lambda fault: fault.value is None):
            put(body, fault.at, fault.value)
        path.write_text(yaml.safe_dump(with_part(part, body)))
        try:
            loaded = load(path, registry.find, {}, names=registry.names)
        except Invalid as invalid:
            return {(d.code, d.path) for d in invalid.diagnostics}
        return {(d.code, d.path) for d in loaded.warnings}

    return of


@pytest.mark.parametrize("part", BODIES)
def test_the_bodies_are_right(part: str, told: Told) -> None:
    assert told(part, ()) == set()


@pytest.mark.parametrize(("part", "fault"), [(part, fault) for part in FAULTS for fault in FAULTS[part]])
def test_each_fault_is_told_by_its_code(part: str, fault: Fault, told: Told) -> None:
    assert sorted(code for code, _ in told(part, (fault,))) == sorted(fault.told.split())


def beside(part: str) -> Iterator[tuple[Fault, Fault]]:
    """Every two faults that can stand in one file."""
    for one, other in combinations(FAULTS[part], 2):
        shorter, longer = sorted((one.at, other.at), key=len)
        if not f"{longer}.".startswith(f"{shorter}.") and independent(one, other):
            yield one, other


@pytest.mark.parametrize("part", FAULTS)
def test_two_faults_are_told_at_once(part: str, told: Told) -> None:
    """Both, and nothing that only seems to be wrong because of the other."""
    alone = {id(fault): told(part, (fault,)) for fault in FAULTS[part]}
    wrong = []
    for one, other in beside(part):
        found, expected = told(part, (one, other)), alone[id(one)] | alone[id(other)]
        if found != expected:
            wrong.append((one[:2], other[:2], "missing", expected - found, "more", found - expected))
    assert not wrong, "\n".join(map(str, wrong))


def test_an_alias_of_what_is_not_set_hides_nothing(tmp_path: Path) -> None:
    """The variable is told once, and what is wrong beside each place that names it."""
    path = tmp_path / "pipelines.yaml"
    path.write_text(
        'receivers: {github: {organizations: [&a "${env:ABSENT}", *a], auth: {token: *a}, tls: {ca_file: none}}}\n'
        "exporters: {debug: }\nservice: {pipelines: {logs: {receivers: [github], exporters: [debug]}}}\n"
    )
    with pytest.raises(Invalid) as caught:
        load(path, registry.find, {}, names=registry.names)
    assert [d.code for d in caught.value.diagnostics] == ["unset-variable", "missing-file"]
