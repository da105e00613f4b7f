"""rules: files of Sigma rules as SigmaHQ writes them, and what is said of those that can't be used."""

from textwrap import dedent

import pytest

from shipper.processors.rules import component

TWO_SELECTIONS = """
    title: GitHub - Guard Was Lowered (Test)
    id: 00000000-0000-4000-8000-000000000001
    status: test
    description: |
        Written for this test, in the form of the real ones.
    references:
        - https://example.com/guards
    author: Nobody
    date: 2025-06-01
    tags:
        - attack.defense-impairment
    logsource:
        product: github
        service: audit
        definition: 'Requirements: the audit log'
    detection:
        selection_guard:
            action:
                - 'guard.disable' # with a remark
                - 'guard.remove'
        selection_fence:
            action|contains: 'fence.off'
        filter_main_robot:
            actor|endswith: '[bot]'
        filter_optional_tests:
            repo|startswith: 'acme/test-'
        condition: 1 of selection_* and not 1 of filter_main_* and not 1 of filter_optional_*
    falsepositives:
        - Planned work
    level: high
"""


def write(tmp_path, name, text):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text))


@pytest.mark.parametrize(
    ("event", "stream", "matches"),
    [
        ({"action": "guard.disable", "actor": "ann"}, "audit_log", True),
        ({"action": "GUARD.REMOVE"}, "audit_log", True),
        ({"action": "old_fence.off_again"}, "audit_log", True),
        ({"action": "guard.disable", "actor": "renovate[bot]"}, "audit_log", False),
        ({"action": "guard.disable", "repo": "acme/test-1"}, "audit_log", False),
        ({"action": "guard.disable"}, "webhook", False),
        ({"action": "guard.enable"}, "audit_log", False),
    ],
)
def test_a_file_of_sigmahqs_form_is_used_as_it_is(build, record, tmp_path, event, stream, matches):
    """The log source is the stream, the level the severity, the title the name."""
    write(tmp_path, "sigma/guard.yml", TWO_SELECTIONS)
    [out] = build(component, {"sigma": ["sigma/*.yml"]})([record(event, stream)])
    expected = {"shipper.rule": "github-guard-was-lowered-test", "severity": "high"}
    assert out.attributes == (expected if matches else {"severity": "info"})


def test_sigma_rules_stand_behind_the_users_and_before_the_built_in_ones(build, record, tmp_path):
    """So the user's own words win, and the defaults fill what is left."""
    write(tmp_path, "a.yml", rule("title: A", "selection: {action: repo.access}", level="low"))
    body = {"sigma": ["*.yml"], "use": ["github-default"]}
    own = {"name": "own", "match": {"action": "repo.access", "actor": "ann"}, "severity": "critical"}
    event = {"action": "repo.access", "visibility": "public"}
    rules = build(component, {**body, "rules": [own]})
    found = rules([record({**event, "actor": "ann"}), record(event), record({"action": "business.add_admin"})])
    assert [out.attributes["shipper.rule"] for out in found] == ["own", "a", "org-admin-granted"]


def rule(title, selection, condition="selection", level="high", logsource="{product: github, service: audit}"):
    lines = [title, f"logsource: {logsource}", "detection:", f"  {selection}", f"  condition: {condition}"]
    return "\n".join([*lines, f"level: {level}" if level else ""])


@pytest.mark.parametrize(
    ("level", "severity"),
    [
        ("informational", "info"),
        ("low", "low"),
        ("medium", "medium"),
        ("high", "high"),
        ("critical", "critical"),
        ("High", "high"),
        (None, "medium"),
    ],
)
def test_levels_are_severities(build, record, tmp_path, level, severity):
    """A rule without a level gives the default severity."""
    write(tmp_path, "a.yml", rule("title: A", "selection: {action: x}", level=level))
    [out] = build(component, {"sigma": ["a.yml"], "default_severity": "medium"})([record({"action": "x"})])
    assert (out.attributes["shipper.rule"], out.severity_text) == ("a", severity)


@pytest.mark.parametrize(
    ("selection", "condition", "event", "matches"),
    [
        ("keywords: [needle, other]", "keywords", {"a": {"b": ["the Needle"]}}, True),
        ("keywords: [needle]", "keywords", {"needle": "x"}, False),
        ("keywords: {'|all': [one, two]}", "keywords", {"a": "two", "b": "one"}, True),
        ("keywords: {'|all': [one, two]}", "keywords", {"a": "two"}, False),
        ("sel: {a: 1}\n  other: {b: 2}", "all of them", {"a": 1, "b": 2}, True),
        ("sel: {a: 1}\n  _x: {b: 2}", "all of them", {"a": 1}, True),
        ("sel: {a: 1}\n  other: {b: 2}", "any of sel*", {"b": 2}, False),
        ("sel: {a: 1}\n  other: {b: 2}", "[sel, other]", {"b": 2}, True),
        ("sel: {a: 1}\n  other: {b: 2}", "not (sel or other)", {}, True),
        ("notable: {a: 1}", "notable", {"a": 1}, True),
        ("sel: {a|expand: '%names%'}", "sel", {"a": "two"}, True),
        ("sel: [{a: 1}, {b: 2}]", "sel", {"b": 2}, True),
    ],
)
def test_detections_and_conditions(build, record, tmp_path, selection, condition, event, matches):
    """Keywords, lists, placeholders, quantifiers, names that begin like operators."""
    write(tmp_path, "names.txt", "one\ntwo\n")
    write(tmp_path, "a.yml", rule("title: A", selection, condition))
    rules = build(component, {"sigma": ["a.yml"], "lists": {"names": "names.txt"}})
    [out] = rules([record(event)])
    assert ("shipper.rule" in out.attributes) is matches


def test_several_rules_in_a_file_and_files_in_folders(build, tmp_path):
    """Documents are split by dashes, two stars go into folders, patterns and then names give the order."""
    both = rule("title: B", "s: {a: 1}", "s") + "\n---\n" + rule("title: C", "s: {a: 2}", "s") + "\n---\n"
    write(tmp_path, "deep/er/b.yml", both)
    write(tmp_path, "first.yml", rule("title: Z", "s: {a: 3}", "s"))
    rules = build(component, {"sigma": ["first.yml", "deep/**/*.yml"]})
    assert list(rules.hits()) == ["z", "b", "c"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            rule("title: A", "selection: {a|containz: 1}"),
            "4: selection.a|containz: unknown modifier containz (did you mean contains?)",
        ),
        (
            rule("title: A", "selection: {a|re: '('}"),
            "4: selection.a|re: bad regular expression: missing ), unterminated",
        ),
        (
            rule("title: A", "selection: {a|cidr: x}"),
            "4: selection.a|cidr: x is no network; write an IPv4 or IPv6 network",
        ),
        (
            rule("title: A", "selection: {a: 1}", "selektion"),
            "5: no detection is named selektion (there are: selection) (character 1 of the condition)",
        ),
        (
            rule("title: A", "selection: {a: 1}", "selection and"),
            "5: expected the name of a detection, not the end (character 14 of the condition)",
        ),
        (
            rule("title: A", "selection: {a: 1}", "selection selection"),
            "5: expected and, or, or the end, not selection (character 11 of the condition)",
        ),
        (rule("title: A", "selection: {a: 1}", "(selection"), "5: expected ) (character 11 of the condition)"),
        (
            rule("title: A", "selection: {a: 1}", "1 of filter_*"),
            "5: no detection is named filter_* (character 6 of the condition)",
        ),
        (
            rule("title: A", "selection: {a: 1}", "selection | count() > 5"),
            "5: expected and, or, or the end, not | (character 11 of the condition)",
        ),
        (rule("title: A", "selection: {a: 1}\n  timeframe: 5m"), "5: rules over several events are not supported"),
        (
            rule("title: A", "selection: {a: 1}", logsource="{product: windows}"),
            "2: is not for GitHub's audit log",
        ),
        (
            rule("title: A", "selection: {a: 1}", logsource="{product: github, service: actions}"),
            "2: is for another service",
        ),
        (
            rule("title: A", "selection: {a: 1}", level="grave"),
            "6: grave is no level; there are informational, low, medium, high, critical",
        ),
        ("title: A\ndetection: {a: {b: 1}, condition: a}", "1: has no logsource"),
        ("- a\n- b", "1: is no Sigma rule: a rule is a map with title, logsource and detection"),
        (
            "title: A\ncorrelation: {type: event_count}",
            "1: Sigma correlations and filters are not supported; only rules are",
        ),
        (
            "title: A\nlogsource: {product: github}\ndetection: {a: {b: 1}}",
            "3: detection wants at least one named detection, and a condition",
        ),
        ("title: [\n", "2: did not find expected node content"),
        (
            rule("title: A", "s: {a: 1}", "s") + "\n---\n" + rule("title: B", "s: {a|foo: 1}", "s"),
            "11: s.a|foo: unknown modifier foo",
        ),
    ],
)
def test_files_that_can_not_be_used_are_problems_with_file_and_line(check, tmp_path, text, message):
    """Each says where, what, and how to mend it."""
    write(tmp_path, "bad.yml", text)
    [problem] = check(component, {"sigma": ["bad.yml"]})
    assert problem.loc == ("sigma", 0)
    assert problem.message.startswith(f"{tmp_path}/bad.yml:{message}")


def test_a_pattern_without_files_and_two_rules_of_one_title_are_problems(check, tmp_path):
    """A typing error in a path does not leave rules out unseen."""
    write(tmp_path, "a.yml", rule("title: A", "s: {a: 1}", "s"))
    write(tmp_path, "b.yml", rule("title: a!", "s: {a: 2}", "s"))
    found = check(component, {"sigma": ["gone/*.yml", "?.yml"]})
    assert [(problem.loc, problem.code) for problem in found] == [
        (("sigma", 0), "missing-file"),
        (("sigma", 1), "duplicate-rule"),
    ]


def test_a_sigma_rule_behind_a_users_rule_that_takes_all_is_a_warning(check, tmp_path):
    """The order counts across kinds of rules."""
    write(tmp_path, "a.yml", rule("title: A", "s: {action: x.y}", "s"))
    own = {"name": "own", "match": {"action": "x.*"}, "severity": "low"}
    [problem] = check(component, {"rules": [own], "sigma": ["a.yml"]})
    assert (problem.loc, problem.code, problem.severity) == (("sigma", 0), "rule-never-matches", "warning")
