"""rules: what a configuration may say, and what is said of its faults."""

import pytest
from pydantic import ValidationError

from shipper.core.errors import ConfigError, Problem
from shipper.processors.rules import Config, component

GOOD = {"name": "good", "match": {"action": "a"}, "severity": "low"}


def faulty(match):
    return {"rules": [{"name": "x", "match": match, "severity": "low"}]}


MATCH = ("rules", 0, "match")


@pytest.mark.parametrize(
    ("body", "loc", "code", "message"),
    [
        (
            faulty({"a|containz": "x"}),
            (*MATCH, "a|containz"),
            "unknown-modifier",
            "unknown modifier containz (did you mean contains?)",
        ),
        (
            faulty([{"b": 1}, {"a|CIDR": "x"}]),
            (*MATCH, 1, "a|CIDR"),
            "unknown-modifier",
            "unknown modifier CIDR (did you mean cidr?)",
        ),
        (
            faulty({"a|re": "(a+"}),
            (*MATCH, "a|re"),
            "bad-regex",
            "bad regular expression: missing ), unterminated subpattern at character 1",
        ),
        (
            faulty({"a|re": ["ok", "a(?=b)"]}),
            (*MATCH, "a|re", 1),
            "bad-regex",
            (
                "bad regular expression: invalid perl operator '(?=' at character 2; "
                "look-around and back-references are not supported"
            ),
        ),
        (faulty({"a|re": 5}), (*MATCH, "a|re"), "wrong-type", "re wants a text; put it in quotes"),
        (
            faulty({"a|cidr": "10.1.2.3/8"}),
            (*MATCH, "a|cidr"),
            "bad-cidr",
            "10.1.2.3/8 is no network; the network is 10.0.0.0/8",
        ),
        (
            faulty({"a|cidr": "10.0.0/8"}),
            (*MATCH, "a|cidr"),
            "bad-cidr",
            "10.0.0/8 is no network; write an IPv4 or IPv6 network such as 10.0.0.0/8 or 2001:db8::/32",
        ),
        (faulty({"a|gt": "5"}), (*MATCH, "a|gt"), "wrong-type", "gt wants a number"),
        (faulty({"a|lte": True}), (*MATCH, "a|lte"), "wrong-type", "lte wants a number"),
        (faulty({"a|exists": "yes"}), (*MATCH, "a|exists"), "wrong-type", "exists wants true or false"),
        (
            faulty({"a|contains": 5}),
            (*MATCH, "a|contains"),
            "wrong-type",
            "contains wants a text; put it in quotes",
        ),
        (
            faulty({"a": {"b": "c"}}),
            (*MATCH, "a"),
            "wrong-type",
            "is a map or a list; nested fields are written with dots: rule.severity",
        ),
        (
            faulty({"a|contains|re": "x"}),
            (*MATCH, "a|contains|re"),
            "modifier-conflict",
            "re can't follow contains",
        ),
        (
            faulty({"a|re|contains": "x"}),
            (*MATCH, "a|re|contains"),
            "modifier-conflict",
            "contains can't follow re; after it only i, m and s can",
        ),
        (faulty({"a|i": "x"}), (*MATCH, "a|i"), "modifier-conflict", "i only follows re"),
        (
            faulty({"a|exists|contains": True}),
            (*MATCH, "a|exists|contains"),
            "modifier-conflict",
            "contains can't follow exists",
        ),
        (
            faulty({"|exists": True}),
            (*MATCH, "|exists"),
            "modifier-conflict",
            "needs a field in front of its modifiers",
        ),
        (
            faulty({"a|base64": "x*"}),
            (*MATCH, "a|base64"),
            "wrong-type",
            "base64 can't encode a text with wildcards",
        ),
        (
            faulty({"a|fieldref": "b*"}),
            (*MATCH, "a|fieldref"),
            "wrong-type",
            "fieldref wants the name of a field, without wildcards",
        ),
        (
            faulty({"a|expand": "%gone%"}),
            (*MATCH, "a|expand"),
            "unknown-list",
            "no list named gone in `lists` (known: allowed_oauth_applications)",
        ),
        (
            faulty({"a": []}),
            (*MATCH, "a"),
            "empty-match",
            "has no values, so nothing can match; name one or leave it out",
        ),
        (faulty({}), MATCH, "empty-match", "is empty; to match all of a stream write {stream: audit_log}"),
        (
            {"rules": [GOOD, GOOD]},
            ("rules", 1, "name"),
            "duplicate-rule",
            "there is a rule good already; names are unique",
        ),
        (
            {"rules": [{"name": "x", "match": {"a": 1}}]},
            ("rules", 0),
            "no-effect",
            "the rule has neither severity nor drop; add one of them",
        ),
        (
            {"rules": [GOOD | {"drop": True}]},
            ("rules", 0, "drop"),
            "severity-and-drop",
            "a rule has severity or drop, not both",
        ),
        (
            {"rules": [{"name": "x", "match": {"a": 1}, "drop": True, "set": {"b": 1}}]},
            ("rules", 0, "set"),
            "set-and-drop",
            "a dropped record has no attributes to set",
        ),
        (
            {"rules": [GOOD | {"set": {"log.record.uid": "x"}}]},
            ("rules", 0, "set", "log.record.uid"),
            "reserved-attribute",
            "log.record.uid is the shipper's own",
        ),
        (
            {"rules": [GOOD | {"set": {"": "x"}}]},
            ("rules", 0, "set", ""),
            "bad-value",
            "an attribute needs a name",
        ),
        (
            {"use": ["github-defaults"]},
            ("use", 0),
            "unknown-set",
            "no built-in set is named github-defaults; there are github-default and github-recommended",
        ),
        (
            {"lists": {"apps": "gone.txt"}},
            ("lists", "apps"),
            "unreadable-file",
            "can't read gone.txt: No such file or directory",
        ),
        ({"rules": [GOOD | {"not": {"a|foo": 1}}]}, ("rules", 0, "not", "a|foo"), "unknown-modifier", None),
    ],
)
def test_faults_are_problems_with_place_code_and_cure(check, body, loc, code, message):
    """Each is found offline, where it is, once."""
    [problem] = check(component, body)
    assert (problem.loc, problem.code, problem.severity) == (loc, code, "error")
    assert message in (problem.message, None)


def test_faults_stop_the_build(build):
    """Who builds without checking is told the same."""
    with pytest.raises(ConfigError, match="unknown modifier foo"):
        build(component, faulty({"a|foo": 1}))


def test_all_faults_are_reported_at_once(check):
    """One run of the check names each."""
    match = {"a|foo": 1, "b|cidr": "x", "c|re": "("}
    found = check(component, faulty([match, {"d|gt": "x"}]) | {"use": ["x"], "lists": {"l": "gone"}})
    assert sorted(problem.code for problem in found) == [
        "bad-cidr",
        "bad-regex",
        "unknown-modifier",
        "unknown-set",
        "unreadable-file",
        "wrong-type",
    ]


@pytest.mark.parametrize("name", ["", "Upper", "a b", "a_b", "a.b", "a\n"])
def test_names_are_small_letters_digits_and_dashes(name):
    """A name is a label and a syslog value: nothing else fits everywhere."""
    with pytest.raises(ValidationError):
        Config.model_validate({"rules": [GOOD | {"name": name}]})


NEVER = [
    ([{"action": "a"}, {"action": "A"}], True),
    ([{"action": ["a", "b"]}, {"action": "a", "x": 1}], True),
    ([{"action": "a*"}, {"action": ["ab", "ac"]}], True),
    ([{"action": "a"}, {"action": "b"}, {"action": ["a", "b"], "x": 1}], True),
    ([{"x|exists": True}, {"x": "a"}], True),
    ([[{"x": 1}, {"y": 2}], {"y": 2, "z": 3}], True),
    ([{"n|gt": 5}, {"n": [6, 7]}], True),
    ([{"ip|cidr": "10.0.0.0/8"}, {"ip": "10.1.1.1"}], True),
    ([{"action": "a"}, {"stream": "audit_log", "action": "a"}], True),
    ([{"action": "a", "x": 1}, {"action": "a"}], False),
    ([{"action": "ab"}, {"action": "a*"}], False),
    ([{"x|exists": True}, {"x": None}], False),
    ([{"x|cased": "a"}, {"x": "a"}], False),
    ([{"x|re": "^(ab|AB)$"}, {"x": "ab"}], False),
    ([{"n|gt": 5}, {"n": [5, 6]}], False),
    ([{"x": "5"}, {"x": "5.0"}], False),
    ([{"action": "a"}, {"action": ["a", "b"]}], False),
    ([{"action|neq": "b"}, {"action": "b"}], False),
]


@pytest.mark.parametrize(("matches", "never"), NEVER)
def test_a_rule_that_earlier_ones_always_forestall_is_a_warning(check, matches, never):
    """Only what is certain is said."""
    rules = [{"name": f"r{n}", "match": match, "severity": "low"} for n, match in enumerate(matches)]
    found = check(component, {"rules": rules})
    last = len(rules) - 1
    before = ", ".join(f"r{n}" for n in range(last))
    message = f"r{last} can never match: {before} before it always does"
    warning = Problem(("rules", last), "rule-never-matches", message, severity="warning")
    assert found == ([warning] if never else [])


def test_shadow_rules_and_filters_forestall_nothing_they_let_pass(check, build):
    """A rule on trial takes nothing; one with a filter leaves what its filter holds back."""
    trial = {"name": "trial", "match": {"action": "a"}, "severity": "low", "mode": "shadow"}
    some = {"name": "some", "match": {"action": "b"}, "not": {"x": 1}, "severity": "low"}
    same = {"name": "same", "match": {"action": "b", "y": 2}, "not": [{"x": 1}, {"z": 1}], "severity": "low"}
    rules = [trial, GOOD, some, {"name": "rest", "match": {"action": "b"}, "severity": "low"}, same]
    assert [problem.message for problem in check(component, {"rules": rules})] == [
        "same can never match: some before it always does"
    ]
    assert build(component, {"rules": rules})


@pytest.mark.parametrize("name", ["github-default", "github-recommended"])
def test_built_in_sets_have_no_faults(check, name):
    """They load as they are, with and without a rule before them."""
    assert check(component, {"use": [name]}) == []
    assert check(component, {"use": [name], "rules": [GOOD]}) == []
