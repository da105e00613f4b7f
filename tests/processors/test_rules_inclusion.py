"""Which rules can never match because earlier ones always do: never a wrong warning, held to trying all texts."""

from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.core.component import Paths
from shipper.core.record import Record
from shipper.processors.rules import component
from shipper.processors.rules.conditions import compile_condition
from shipper.processors.rules.coverage import implies
from shipper.processors.rules.detection import Reader

PATHS = Paths(Path(), Path())
TEXTS = ["".join(letters) for length in range(5) for letters in product("abAB5", repeat=length)] + ["İ", "ΑΣ", "ß"]
VALUES = [*TEXTS, None, 5, 5.0, 55, True, ["a", "b"], ["ab", 5], [], "10.0.0.1", "10.0.1.1", "11.0.0.0", "::1"]


def condition(match):
    reader = Reader({})
    made = reader.read(match, ())
    assert not reader.problems
    return made


def warned(*matches):
    """Whether the last of the rules is said to match never."""
    rules = [{"name": f"r{place}", "match": match, "severity": "low"} for place, match in enumerate(matches)]
    config = component.config.model_validate({"rules": rules})
    problems = [problem for problem in component.check(config, PATHS) if problem.loc == ("rules", len(rules) - 1)]
    return [problem.code for problem in problems] == ["rule-never-matches"]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ({"action": "x*"}, {"action|startswith": "xy"}),
        ({"action|startswith": "x"}, {"action": "xy*"}),
        ({"action|startswith": "x"}, {"action": "XY*z"}),
        ({"action|endswith": ".destroy"}, {"action": "repo.*.destroy"}),
        ({"action|contains": "secret"}, {"action|startswith": ["org.secret", "repo.secret"]}),
        ({"action|contains": "e"}, {"action|contains": "secret"}),
        ({"action": "*"}, {"action|contains": "a"}),
        ({"action": "a?c*"}, {"action": "abc*"}),
        ({"action": "a*c"}, {"action": "a??c"}),
        ({"action|startswith": ["a", "b"]}, {"action|startswith": ["bc", "ad"]}),
        ({"action|startswith": ["a", "b"]}, {"action": ["az", "bz*"]}),
        ({"action|contains": "ab"}, {"action|contains|all": ["abc", "x"]}),
        ({"actor": "ann"}, {"actor|cased": "Ann"}),
        ({"actor": "a*"}, {"actor|cased|startswith": "Ann"}),
        ({"actor|cased|startswith": "A"}, {"actor|cased|startswith": "Ann"}),
        ({"actor_ip|cidr": "10.0.0.0/8"}, {"actor_ip|cidr": "10.1.0.0/16"}),
        ({"size|gt": 5}, {"size|gt": 6}),
        ({"size|gte": 5}, {"size|gt": 5}),
        ({"size|lt": 5}, {"size|lt": 5, "action": "x"}),
        ({"action|startswith": "x"}, {"action|startswith": "xy", "actor": "ann"}),
    ],
)
def test_a_narrower_rule_behind_a_wider_one_is_told(earlier, later):
    assert warned(earlier, later)
    assert not warned(later, earlier)


def test_several_rules_together_may_take_all():
    assert warned({"action": "a*"}, {"action|endswith": "b"}, {"action|startswith": ["ax", "a"]})
    assert warned({"action": "a*"}, {"action|endswith": "b"}, {"action": ["ax*", "*xb"]})
    assert not warned({"action": "a*"}, {"action|endswith": "b"}, {"action": ["ax*", "*x"]})


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ({"action|cased|startswith": "x"}, {"action|startswith": "xy"}),
        ({"action|startswith": "xy"}, {"action|contains": "xy"}),
        ({"action": "a?c"}, {"action": "a*c"}),
        ({"action": "*a*b*"}, {"action": "*b*a*"}),
        ({"actor": "i?"}, {"actor|cased": "I?"}),
        ({"action|re": "x.*"}, {"action": "x*"}),
        ({"actor_ip|cidr": "10.1.0.0/16"}, {"actor_ip|cidr": "10.0.0.0/8"}),
        ({"actor_ip|cidr": "::/0"}, {"actor_ip|cidr": "10.0.0.0/8"}),
        ({"size|gt": 5}, {"size|gte": 5}),
        ({"size|gt": 5}, {"size|lt": 6}),
        ({"size": "5"}, {"size": 5}),
        ({"other": "x*"}, {"action|startswith": "xy"}),
    ],
)
def test_a_rule_of_which_something_is_left_is_not_told(earlier, later):
    assert not warned(earlier, later)


patterns = st.text("ab5A*?", max_size=4)
modifiers = st.sampled_from(["", "|contains", "|startswith", "|endswith", "|cased", "|cased|startswith"])
items = st.one_of(
    st.tuples(modifiers, st.one_of(patterns, st.lists(patterns, min_size=1, max_size=3))),
    st.tuples(st.just(""), st.one_of(st.just(5), st.none(), st.just(True))),
    st.tuples(st.sampled_from(["|gt", "|gte", "|lt", "|lte"]), st.sampled_from([4, 5, 55])),
    st.tuples(st.just("|cidr"), st.sampled_from(["10.0.0.0/8", "10.0.0.0/24", "::/0", "0.0.0.0/0"])),
)


@given(one=items, other=items)
def test_what_is_said_to_follow_follows_for_every_value(one, other):
    """All texts of up to four letters, and what else an event may hold there."""
    first, second = (condition({f"f{modifier}": value}) for modifier, value in (one, other))
    if implies(first, second):
        test, follows = compile_condition(first), compile_condition(second)
        record = Record("x", "audit_log", "", 0, 0, {})
        for event in [{"f": value} for value in VALUES] + [{}]:
            assert follows(event, record) or not test(event, record), event
