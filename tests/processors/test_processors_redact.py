"""redact: what must not leave does not, in body, attributes or name, and nothing else changes."""

import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.core.errors import ConfigError
from shipper.processors import normalize
from shipper.processors.personal import PATTERNS
from shipper.processors.redact import component

KEY = "a key for tests only"


def hashed(text):
    return hmac.new(KEY.encode(), text.encode(), hashlib.sha256).hexdigest()


def one(build, rule, **body):
    return build(component, {"key": KEY, "rules": [rule], **body})


@pytest.mark.parametrize(
    ("rule", "event", "expected"),
    [
        ({"path": "actor_ip", "action": "delete"}, {"actor_ip": "192.0.2.7", "a": 1}, {"a": 1}),
        ({"path": "actor_ip", "action": "mask"}, {"actor_ip": "192.0.2.7"}, {"actor_ip": "[redacted]"}),
        ({"path": "actor_ip", "action": "hash"}, {"actor_ip": "192.0.2.7"}, {"actor_ip": hashed("192.0.2.7")}),
        ({"path": "actor_id", "action": "hash"}, {"actor_id": 5}, {"actor_id": hashed("5")}),
        (
            {"path": ["a", "b.c"], "action": "mask"},
            {"a": 1, "b": {"c": 2, "d": 3}},
            {"a": "[redacted]", "b": {"c": "[redacted]", "d": 3}},
        ),
        (
            {"path": "data.*.email", "action": "delete"},
            {"data": {"x": {"email": "e", "n": 1}, "y": 2}},
            {"data": {"x": {"n": 1}, "y": 2}},
        ),
        (
            {"path": "list.email", "action": "mask"},
            {"list": [{"email": "e"}, {"n": 1}, 5]},
            {"list": [{"email": "[redacted]"}, {"n": 1}, 5]},
        ),
        (
            {"path": "names", "action": "hash"},
            {"names": ["a", ["b"], None]},
            {"names": [hashed("a"), [hashed("b")], None]},
        ),
        ({"path": "data", "action": "hash"}, {"data": {"b": 1, "a": "x"}}, {"data": hashed('{"a": "x", "b": 1}')}),
        ({"path": "data.*", "action": "delete"}, {"data": {"a": 1, "b": [2]}}, {"data": {"b": []}}),
        ({"path": "dotted.key", "action": "mask"}, {"dotted.key": "x"}, {"dotted.key": "[redacted]"}),
        ({"path": "a", "action": "hash"}, {"a": None}, {"a": None}),
        ({"path": "gone.*.x", "action": "mask"}, {"a": "x"}, {"a": "x"}),
        ({"path": "a", "action": "mask"}, "text", "text"),
        (
            {"pattern": "email", "action": "mask"},
            {"a": ["mail ann.lee+x@example.co.uk!"]},
            {"a": ["mail [redacted]!"]},
        ),
        ({"pattern": "email", "action": "hash"}, {"a": "ann@example.com"}, {"a": hashed("ann@example.com")}),
        (
            {"pattern": ["ip", "ACME-[0-9]{3}"], "action": "delete"},
            {"a": "from 192.0.2.7 ACME-123."},
            {"a": "from  ."},
        ),
        ({"pattern": "x*", "action": "mask"}, {"a": "bxxb"}, {"a": "b[redacted]b"}),
    ],
)
def test_paths_and_patterns(build, record, rule, event, expected):
    """Each action, on fields and inside texts, through objects and arrays."""
    before = json.dumps(event)
    [out] = one(build, rule)([record(event)])
    assert out.body == expected
    assert json.dumps(event) == before


SECRETS = {
    "actor_ip": "192.0.2.77",
    "actor": "ann-lee",
    "org": "acme-corp",
    "repo": "acme-corp/vault",
    "user_agent": "curl by ann@example.com from 2001:db8::99",
    "token_id": 987654321,
    "data": {"more": [{"address": "192.0.2.78"}]},
}


@pytest.mark.parametrize("action", ["delete", "hash", "mask"])
def test_no_copy_stays_behind(build, record, action):
    """Nothing of a taken value is in what is shipped: body, attributes, event name, whatever normalize copied."""
    rules = [
        {"path": ["actor_ip", "actor", "org", "repo", "token_id"], "action": action},
        {"pattern": ["email", "ip"], "action": action},
    ]
    [normal] = build(normalize.component)([record(dict(SECRETS))])
    normal.attributes["note"] = "ann-lee did it on 987654321"
    normal.attributes["number"] = 987654321
    [out] = build(component, {"key": KEY, "rules": rules})([normal])
    shipped = json.dumps([out.body, out.attributes, out.event_name])
    for secret in ("192.0.2", "ann", "acme", "vault", "2001:db8", "example.com", "987654321"):
        assert secret not in shipped, shipped
    assert out.uid == "uid"
    assert {out.attributes[name] for name in ("source", "category", "stream")} == {"github", "vcs", "audit_log"}


def test_alerts_leave_no_copy_either(build, record):
    """The dismisser and the page of an alert are attributes too."""
    alert = {
        "html_url": "https://github.com/acme/vault/security/1",
        "repository": {"name": "vault", "owner": {"login": "acme"}},
        "dismissed_by": {"login": "ann-lee"},
    }
    [normal] = build(normalize.component)([record(alert, "code_scanning")])
    rules = [{"path": ["repository.name", "*.login", "repository.owner.login"], "action": "mask"}]
    [out] = build(component, {"rules": rules})([normal])
    assert out.body["repository"] == {"name": "[redacted]", "owner": {"login": "[redacted]"}}
    assert out.attributes["url.full"] == "https://github.com/[redacted]/[redacted]/security/1"
    assert "ann-lee" not in str(out)


def test_what_was_given_stays_as_it_was(build, record):
    """Pipelines share bodies; a batch that is processed again comes out the same."""
    given = record({"actor": "ann", "deep": {"same": 1}}, attributes={"user.name": "ann"})
    redact = one(build, {"path": "actor", "action": "hash"})
    [first], [second] = redact([given]), redact([given])
    assert given.body == {"actor": "ann", "deep": {"same": 1}}
    assert given.attributes == {"user.name": "ann"}
    assert first == second
    assert first.body["deep"] is given.body["deep"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("10.0.0.1", ["10.0.0.1"]),
        ("at 10.0.0.1:8080, [2001:db8::1]:443", ["10.0.0.1", "2001:db8::1"]),
        ("ip:fe80::1%eth0", ["fe80::1"]),
        ("::ffff:10.0.0.1 ::1", ["::ffff:10.0.0.1", "::1"]),
        ("1:2:3:4:5:6:7:8 and 1:2:3:4:5:6:10.0.0.1", ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:10.0.0.1"]),
        ("2001:DB8:0:0::", ["2001:DB8:0:0::"]),
        ("010.001.1.1", ["010.001.1.1"]),
        ("12:30:45 10.0.0.1", ["10.0.0.1"]),
        ("12:30:45:10.0.0.1", ["10.0.0.1"]),
        ("std::vector x::b a::z ::", []),
        ("1.2.3.400 v1.2.3 1.2.3", []),
        ("aa:bb:cc:dd:ee:ff", []),
    ],
)
def test_ip_addresses_in_texts(text, found):
    """Both families, in the forms people write; not times, versions, or names with colons."""
    assert find("ip", text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Ann <ann@example.com>, bob@mail.example.co", ["ann@example.com", "bob@mail.example.co"]),
        ("ünï@exämple.de", ["ünï@exämple.de"]),
        ("actions/checkout@v4 pkg@1.2.3 @ann a@b", []),
        ("1+ann@users.noreply.github.com", ["1+ann@users.noreply.github.com"]),
    ],
)
def test_email_addresses_in_texts(text, found):
    """Whatever alphabet; not versions of actions and packages."""
    assert find("email", text) == found


def find(name, text):
    data = text.encode()
    return [data[start:stop].decode() for start, stop in PATTERNS[name]().find(data)]


BEFORE = st.sampled_from(["", " ", "[", "ip=", "x ", "é", "\n"])
AFTER = st.sampled_from(["", " ", "]", ",", "é"])


@given(st.ip_addresses(), BEFORE, AFTER)
def test_every_ip_address_is_found(address, before, after):
    """However it is surrounded by what is no part of a word."""
    if str(address) != "::":
        assert find("ip", f"{before}{address}{after}") == [str(address)]


def test_hostile_content(build, record):
    """Lone surrogates, huge texts and bottomless nesting neither break nor hide anything."""
    deep = "192.0.2.7"
    for _ in range(50_000):
        deep = [deep]
    event = {"a": "\ud800 192.0.2.7", "big": "192.0.2.7 " * 10_000, "deep": deep, "actor": deep}
    rules = [{"path": "actor", "action": "hash"}, {"pattern": "ip", "action": "mask"}]
    [out] = build(component, {"key": KEY, "rules": rules})([record(event)])
    assert out.body["a"] == "\ud800 [redacted]"
    assert out.body["big"] == "[redacted] " * 10_000
    for name in ("deep", "actor"):
        value = out.body[name]
        for _ in range(95):
            value = value[0]
        assert "192" not in str(value)


@pytest.mark.parametrize(
    ("body", "loc", "code"),
    [
        ({"rules": [{"action": "mask"}]}, ("rules", 0), "path-or-pattern"),
        ({"rules": [{"path": "a", "pattern": "ip", "action": "mask"}]}, ("rules", 0), "path-or-pattern"),
        ({"rules": [{"path": "a", "action": "hash"}]}, ("rules", 0, "action"), "missing-key"),
        ({"key": "", "rules": [{"path": "a", "action": "hash"}]}, ("rules", 0, "action"), "missing-key"),
        ({"rules": [{"path": ["a", "b..c"], "action": "mask"}]}, ("rules", 0, "path", 1), "bad-path"),
        ({"rules": [{"pattern": "(a", "action": "mask"}]}, ("rules", 0, "pattern"), "bad-regex"),
    ],
)
def test_faults_are_problems_with_their_place(check, build, body, loc, code):
    """Each is found offline, and stops a build."""
    [problem] = check(component, body)
    assert (problem.loc, problem.code) == (loc, code)
    with pytest.raises(ConfigError):
        build(component, body)


def test_the_key_is_never_shown(build):
    """Neither by the configuration nor by the processor."""
    body = {"key": KEY, "rules": [{"path": "a", "action": "hash"}]}
    config = component.config.model_validate(body)
    assert KEY not in f"{config!r} {config.model_dump()} {build(component, body)!r}"


def test_explain_says_what_would_change(build, record):
    """Paths in body and attributes; nothing is changed."""
    event = record({"actor": "ann", "list": [{"ip": "x"}, {"ip": None}]}, attributes={"user.name": "ann"})
    redact = one(build, {"path": ["actor", "list.ip"], "action": "mask"})
    assert redact.explain(event) == {"changed": ["body.actor", "body.list.0.ip", "attributes.user.name"]}
    assert event.attributes == {"user.name": "ann"}
