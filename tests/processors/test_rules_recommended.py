"""The built-in set github-recommended: each rule with an event that it must match, and one that it must not."""

from pathlib import Path

import pytest
import yaml

from shipper.processors.rules import built_in, component

CASES = yaml.safe_load((Path(__file__).parent / "github-recommended-cases.yml").read_text())


def test_there_is_a_pair_of_events_for_each_rule():
    """About forty rules, none without its pair."""
    names = [rule.name for rule in built_in("github-recommended")]
    assert sorted(CASES) == sorted(names)
    assert len(names) >= 40
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("name", "pair"), CASES.items())
def test_each_rule_takes_its_event_and_leaves_the_other(build, record, name, pair):
    """Behind github-default too, which must not take what it is about."""
    rules = build(component, {"use": ["github-default", "github-recommended"]})
    must, must_not = (record(event, event.pop("stream", "audit_log")) for event in map(dict, pair))
    [taken] = rules([must])
    assert taken.attributes["shipper.rule"] == name
    [left] = rules([must_not])
    assert left.attributes.get("shipper.rule") != name


def test_both_sets_together_hide_no_rule(check):
    """Each rule of the second set can match behind the first, and none drops anything."""
    names = [rule.name for name in ("github-default", "github-recommended") for rule in built_in(name)]
    assert len(names) == len(set(names))
    assert check(component, {"use": ["github-default", "github-recommended"]}) == []
    assert [rule.name for rule in built_in("github-recommended") if rule.drop] == []
