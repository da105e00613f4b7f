"""rules: order, severities, attributes, drops, shadows, tallies, and what an explanation says."""

import logging

import pytest

from shipper.processors.rules import Hit, component


def rule(name, match, **more):
    return {"name": name, "match": match, **({} if "drop" in more else {"severity": "low"}), **more}


def test_the_first_rule_that_matches_wins(build, record):
    """Later rules don't matter, however well they match."""
    rules = build(
        component,
        {
            "rules": [
                rule("narrow", {"action": "a.b", "actor": "ann"}, severity="critical"),
                rule("wide", {"action": "a.*"}, severity="medium"),
            ]
        },
    )
    found = rules([record({"action": "a.b", "actor": "Ann"}), record({"action": "a.b"}), record({"action": "b"})])
    assert [(out.severity_number, out.severity_text, out.attributes) for out in found] == [
        (18, "critical", {"shipper.rule": "narrow", "severity": "critical"}),
        (13, "medium", {"shipper.rule": "wide", "severity": "medium"}),
        (9, "info", {"severity": "info"}),
    ]


def test_default_severity_is_given_where_no_rule_matches(build, record):
    """It has no rule to name."""
    [out] = build(component, {"default_severity": "low", "use": []})([record({})])
    assert (out.severity_number, out.attributes) == (10, {"severity": "low"})


@pytest.mark.parametrize(
    ("body", "tried"),
    [
        ({}, 11),
        ({"use": ["github-default"], "rules": [rule("one", {"action": "x"})]}, 12),
        ({"rules": [rule("one", {"action": "x"})]}, 1),
        ({"use": [], "rules": [rule("one", {"action": "x"})]}, 1),
        ({"use": []}, 0),
    ],
)
def test_built_in_sets_stand_behind_the_users_rules(build, record, body, tried):
    """github-default is in force where nothing else is said; beside rules it must be named."""
    explained = build(component, body).explain(record({"action": "other"}))
    assert len(explained["tried"]) == tried


def test_a_rule_of_a_built_in_ones_name_comes_first_with_a_warning(build, check, record):
    """The contract's own example has the names of built-in rules."""
    own = rule("org-admin-granted", {"action": "org.add_member"}, severity="critical")
    config = {"use": ["github-default"], "rules": [own]}
    (problem,) = check(component, config)
    assert (problem.loc, problem.code, problem.severity) == (("rules", 0, "name"), "built-in-name", "warning")
    assert "such as own-org-admin-granted" in problem.message
    explained = build(component, config).explain(record({"action": "org.add_member", "permission": "admin"}))
    assert explained["severity"] == "critical"


def test_built_in_sets_may_share_rules(build):
    assert build(component, {"use": ["github-default", "github-recommended"]})


def test_set_adds_attributes_beside_the_severity(build, record):
    """They keep their types and overwrite what was there."""
    rules = build(component, {"rules": [rule("x", {"action": "a"}, set={"team": "red", "page": True, "n": 5})]})
    [out] = rules([record({"action": "a"}, attributes={"team": "blue", "source": "github"})])
    assert out.attributes == {
        "team": "red",
        "page": True,
        "n": 5,
        "source": "github",
        "shipper.rule": "x",
        "severity": "low",
    }


def test_not_leaves_events_to_later_rules(build, record):
    """A filter with several maps holds back what matches any of them."""
    rules = build(
        component,
        {
            "rules": [
                rule("access", {"action": "a"}, **{"not": [{"x|exists": True}, {"y": "no"}]}, drop=True),
                rule("rest", {"action": "a"}, severity="high"),
            ]
        },
    )
    events = [{"action": "a"}, {"action": "a", "x": None}, {"action": "a", "y": "no"}, {"action": "a", "y": "yes"}]
    assert [out.body for out in rules([record(event) for event in events])] == [events[1], events[2]]


def test_shadow_rules_change_nothing_but_are_named_and_counted(build, record, context):
    """A drop on trial drops nothing; later rules, other shadows included, still run."""
    rules = build(
        component,
        {
            "rules": [
                rule("trial", {"action": "a*"}, drop=True, mode="shadow"),
                rule("second", {"action": "a"}, mode="shadow", severity="critical", set={"team": "red"}),
                rule("real", {"action": "a"}, severity="high"),
            ]
        },
    )
    [both, one] = rules([record({"action": "a"}), record({"action": "ab"})])
    assert both.attributes == {"shipper.rule.shadow": "trial,second", "shipper.rule": "real", "severity": "high"}
    assert one.attributes == {"shipper.rule.shadow": "trial", "severity": "info"}
    assert context.meter.value("shipper_rule_hits", processor="part", rule="trial") == 2
    assert context.meter.value("shipper_dropped_log_records", processor="part", reason="rule") == 0
    again = rules([both])[0].attributes
    assert again["shipper.rule.shadow"] == "trial,second"


def test_hits_and_the_last_hit_are_known_per_rule(build, record, context, clock):
    """Each rule has its series from the start."""
    rules = build(component, {"rules": [rule("one", {"action": "a"}), rule("two", {"action": "b"}, drop=True)]})
    series = next(series for name, _, series in context.meter.collect() if name == "shipper_rule_hits")
    assert series == {("part", "one"): 0, ("part", "two"): 0}
    clock.seconds = 50
    rules([record({"action": "a"}), record({"action": "a"})])
    clock.seconds = 70
    rules([record({"action": "c"})])
    assert rules.hits() == {"one": Hit(2, 50 * 10**9), "two": Hit(0, None)}


def test_a_refused_record_is_never_dropped(build, record):
    """It is on its way to the dead letters."""
    rules = build(component, {"rules": [rule("one", {"action": "a"}, drop=True)]})
    assert len(rules([record({"action": "a"}, refusal="fails")])) == 1


def test_stream_and_organization_are_fields(build, record):
    """They are those of the record, whatever the event calls so."""
    rules = build(component, {"rules": [rule("x", {"stream": "Audit_Log", "organization": "acme"})]})

    def severity(event, stream="audit_log", organization=None):
        return rules([record(event, stream, organization=organization)])[0].severity_text

    assert severity({"action": "a"}, organization="ACME") == "low"
    assert severity({"stream": "audit_log", "organization": "acme"}, "webhook", "acme") == "info"
    assert severity({"organization": "acme"}, organization="other") == "info"
    assert severity({"organization": "acme"}) == "low"


@pytest.mark.parametrize(
    ("match", "event", "expected"),
    [
        ({"actor": "ANN"}, {"actor": "ann"}, True),
        ({"actor|cased": "ANN"}, {"actor": "ann"}, False),
        ({"actor": ["ann", "bob"]}, {"actor": "bob"}, True),
        ([{"actor": "ann"}, {"actor": "bob"}], {"actor": "bob"}, True),
        ({"actor": "ann", "org": "x"}, {"actor": "ann"}, False),
        ({"actor": "a?n*"}, {"actor": "ann"}, True),
        ({"actor": r"a\*"}, {"actor": "ann"}, False),
        ({"actor": r"a\*"}, {"actor": "a*"}, True),
        ({"actor|endswith": "[bot]"}, {"actor": "renovate[bot]"}, True),
        ({"scopes|contains|all": ["repo", "admin"]}, {"scopes": "repo,admin:org"}, True),
        ({"scopes|all": ["repo", "admin"]}, {"scopes": ["admin", "repo", "gist"]}, True),
        ({"scopes|all": ["repo", "admin"]}, {"scopes": ["repo"]}, False),
        ({"rule.severity": "error"}, {"rule": {"severity": "error"}}, True),
        ({"rule.severity": "error"}, {"rule.severity": "error", "rule": {"severity": "note"}}, True),
        ({"reasons.code": "x"}, {"reasons": [{"code": "y"}, {"code": "x"}]}, True),
        ({"a": "x"}, {"a": [[["x"]]]}, True),
        ({"a": "x"}, {"a": {"b": "x"}}, False),
        ({"a": 5}, {"a": 5.0}, True),
        ({"a": 5}, {"a": "5"}, True),
        ({"a": "5"}, {"a": 5}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": True}, {"a": "TRUE"}, True),
        ({"a": None}, {}, True),
        ({"a": None}, {"a": None}, True),
        ({"a": None}, {"a": ""}, False),
        ({"a": ""}, {"a": ""}, True),
        ({"a": "*"}, {}, False),
        ({"a|exists": False}, {}, True),
        ({"a|exists": True}, {"a": None}, True),
        ({"a.b|exists": True}, {"a": {"b": None}}, True),
        ({"a.b|exists": False}, {"a": "text"}, True),
        ({"a|gte": 5}, {"a": 5}, True),
        ({"a|gt": 5}, {"a": True}, False),
        ({"a|lt": 5}, {"a": "4.5"}, True),
        ({"ip|cidr": "10.0.0.0/8"}, {"ip": "10.255.0.1"}, True),
        ({"ip|cidr": ["10.0.0.0/8", "2001:db8::/32"]}, {"ip": "2001:DB8::1"}, True),
        ({"ip|cidr": "10.0.0.0/8"}, {"ip": "10.0.0.1 "}, False),
        ({"a|re": "^x.*y$"}, {"a": "xzy"}, True),
        ({"a|re": "X"}, {"a": "x"}, False),
        ({"a|re|i": "X"}, {"a": "x"}, True),
        ({"a|neq": "x"}, {"a": "y"}, True),
        ({"a|fieldref": "b"}, {"a": "X", "b": "x"}, True),
        ({"a": "x"}, {"a": "\ud800"}, False),
        ({"a|re": "^.$"}, {"a": "\ud800"}, True),
        ({"a": "x"}, {"a": 10**5000}, False),
        ({"a|gt": 5}, {"a": 10**5000}, True),
        ({"|contains": "needle"}, {"x": {"y": ["a Needle b"]}}, True),
    ],
)
def test_the_vocabulary_of_match(build, record, match, event, expected):
    """Sigma's words, over events of any shape."""
    rules = build(component, {"rules": [rule("x", match)]})
    [out] = rules([record(event)])
    assert (out.attributes.get("shipper.rule") == "x") is expected
    assert (rules.explain(record(event))["rule"] == "x") is expected


def test_hostile_events_cost_little(build, record):
    """Patterns that ruin backtracking engines, endless text and bottomless nesting are all answered."""
    deep = []
    for _ in range(100_000):
        deep = [deep]
    match = {"a|re": "(a+)+$", "b": "*a*a*a*a*a*a*b", "c": "?????*?????x"}
    rules = build(component, {"rules": [rule("x", match), rule("y", {"|contains": "needle", "d": "x"})]})
    text = "a" * 300_000
    found = rules([record({"a": text + "!", "b": text, "c": text}), record({"b": text, "d": deep, "a": deep})])
    assert [out.severity_text for out in found] == ["info", "info"]


def test_actions_without_number_are_answered(build, record):
    """Events that make up a new action each time don't fill memory, and match as before."""
    rules = build(component, {"rules": [rule("x", {"action|startswith": "made"})]})
    found = rules([record({"action": f"made.up{n}"}) for n in range(10_000)])
    assert {out.attributes["shipper.rule"] for out in found} == {"x"}
    assert max(len(plans) for plans in rules._plans.values()) <= 4097
    assert rules([record({"action": "made" * 1000})])[0].attributes["shipper.rule"] == "x"


def test_a_rule_that_drops_more_than_half_is_said_once_an_hour(build, record, clock, caplog):
    """Once it is clear, and again an hour later if it is still so; per stream, not per batch."""
    rules = build(component, {"rules": [rule("noise", {"action": "a"}, drop=True)]})
    batch = [{"action": "a"}] * 7 + [{"action": "b"}] * 3

    def run(events):
        caplog.clear()
        rules([record(event) for event in events])
        return [(line.rule, line.stream, line.dropped, line.seen) for line in caplog.records]

    with caplog.at_level(logging.WARNING):
        assert run(batch) == []
        assert run(batch) == [("noise", "audit_log", 14, 20)]
        clock.seconds += 3599
        assert run(batch) == []
        clock.seconds += 1
        assert run(batch * 2) == [("noise", "audit_log", 14, 20)]
        clock.seconds += 3600
        assert run([{"action": "a"}] * 20 + [{"action": "b"}] * 20) == []


def test_explain_says_for_each_rule_tried_what_was_wanted_and_found(build, record, context):
    """Field, wanted and found for each test, up to the rule that matched; nothing is changed or counted."""
    rules = build(
        component,
        {
            "use": ["github-default"],
            "rules": [
                rule(
                    "clones",
                    [{"action": "git.clone", "actor|endswith": "[bot]"}],
                    **{"not": {"repo|exists": False}},
                    drop=True,
                ),
                rule("after", {"action": ["git.clone", "git.fetch"]}),
            ],
        },
    )
    event = record({"action": "git.clone", "actor": "ann", "repo": ["a"]})
    assert rules.explain(event) == {
        "rule": "after",
        "dropped": False,
        "severity": "low",
        "set": {},
        "tried": [
            {
                "rule": "clones",
                "mode": "enforce",
                "matched": False,
                "because": {
                    "holds": False,
                    "all": [
                        {"holds": True, "field": "action", "wanted": "git.clone", "found": "git.clone"},
                        {"holds": False, "field": "actor", "wanted": "endswith [bot]", "found": "ann"},
                        {
                            "holds": True,
                            "not": {"holds": False, "field": "repo", "wanted": "absent", "found": "an array of 1"},
                        },
                    ],
                },
            },
            {
                "rule": "after",
                "mode": "enforce",
                "matched": True,
                "because": {
                    "holds": True,
                    "field": "action",
                    "wanted": "git.clone or git.fetch",
                    "found": "git.clone",
                },
            },
        ],
    }
    assert (event.attributes, event.severity_text) == ({}, "")
    assert context.meter.value("shipper_rule_hits", processor="part", rule="after") == 0


def test_explanations_of_huge_values_are_short(build, record):
    """What was found is cut to what a person reads."""
    rules = build(component, {"rules": [rule("x", {"a": "y"})]})
    found = rules.explain(record({"a": "z" * 10**6}))["tried"][0]["because"]["found"]
    assert found == "z" * 200 + "… (1000000 characters)"
