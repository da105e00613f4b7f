"""The rules' compiler against pySigma: both read the same rules, and must say the same of the same events."""

import ipaddress
import random
import re
from functools import partial

import pytest
import yaml
from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.rule import SigmaRule
from sigma.types import (
    CompareOperators,
    SigmaBool,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaRegularExpressionFlag,
    SigmaString,
    SpecialChars,
)

from shipper.core.component import Paths
from shipper.core.record import Record
from shipper.processors.rules.conditions import All, Field, Not, Some, compile_condition, specialise
from shipper.processors.rules.sigma import read_sigma_files

PAIRS = 15_000
RULES = 600
ABSENT = object()


# The oracle: pySigma's parsed tree, evaluated in the plainest way.


def holds(node, event):
    match node:
        case ConditionAND():
            return all(holds(part, event) for part in node.args)
        case ConditionOR():
            return any(holds(part, event) for part in node.args)
        case ConditionNOT():
            return not holds(node.args[0], event)
        case ConditionValueExpression():
            return any(keyword(node.value, leaf) for leaf in leaves(event))
        case ConditionFieldEqualsValueExpression():
            return any(compare(node.value, value, event) for value in values(event, node.field))
    raise AssertionError(node)


def values(event, field):
    """What is at a field: a key as it stands before a path; arrays stand for their elements."""
    found = [event]
    if field in event:
        found = [event[field]]
    else:
        for step in field.split("."):
            found = [inner for value in found for inner in (value if isinstance(value, list) else [value])]
            found = [value[step] for value in found if isinstance(value, dict) and step in value]
    flat = [inner for value in found for inner in (value if isinstance(value, list) else [value])]
    return flat or [[] if found else ABSENT]


def leaves(value):
    if isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from leaves(inner)
    else:
        yield value


def text(value):
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else str(value) if isinstance(value, (int, float)) else None


def wildcard(wanted, found, *, around=""):
    if found is None:
        return False
    parts = [
        re.escape(part) if isinstance(part, str) else ".*" if part is SpecialChars.WILDCARD_MULTI else "."
        for part in wanted.s
    ]
    flags = re.DOTALL if isinstance(wanted, SigmaCasedString) else re.DOTALL | re.IGNORECASE
    return re.fullmatch(around + "".join(parts) + around, found, flags) is not None


def keyword(wanted, leaf):
    if isinstance(wanted, SigmaExpansion):
        return any(keyword(one, leaf) for one in wanted.values)
    if isinstance(wanted, SigmaRegularExpression):
        return compare(wanted, leaf, {})
    if not isinstance(wanted, SigmaString):
        wanted = SigmaString(str(wanted).lower())
    return wildcard(wanted, text(leaf), around=".*")


def number(value):
    if isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value):
        return float(value)
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def compare(wanted, value, event):  # noqa: C901, PLR0911 - one case a type of pySigma
    if isinstance(wanted, SigmaExists):
        return (value is not ABSENT) == bool(wanted)
    if isinstance(wanted, SigmaNull):
        return value is None or value is ABSENT
    if value is ABSENT or isinstance(value, (dict, list)):
        return False
    match wanted:
        case SigmaExpansion():
            return any(compare(one, value, event) for one in wanted.values)
        case SigmaRegularExpression():
            flags = {
                SigmaRegularExpressionFlag.IGNORECASE: re.IGNORECASE,
                SigmaRegularExpressionFlag.MULTILINE: re.MULTILINE,
                SigmaRegularExpressionFlag.DOTALL: re.DOTALL,
            }
            found = text(value)
            return found is not None and bool(
                re.search(str(wanted.regexp), found, sum(flags[f] for f in wanted.flags))
            )
        case SigmaString():
            return wildcard(wanted, text(value))
        case SigmaNumber():
            same = isinstance(value, (int, float)) and not isinstance(value, bool) and value == wanted.number
            return same or value == str(wanted.number)
        case SigmaBool():
            return str(wanted).lower() == (value.lower() if isinstance(value, str) else text(value))
        case SigmaCIDRExpression():
            try:
                return ipaddress.ip_address(value if isinstance(value, str) else "") in wanted.network
            except ValueError:
                return False
        case SigmaCompareExpression():
            left, right = number(value), wanted.number.number
            operators = {
                CompareOperators.LT: lambda: left < right,
                CompareOperators.LTE: lambda: left <= right,
                CompareOperators.GT: lambda: left > right,
                CompareOperators.GTE: lambda: left >= right,
            }
            return left is not None and operators[wanted.op]()
        case SigmaFieldReference():
            others = [text(other) for other in values(event, wanted.field) if other is not ABSENT]
            ours = text(value)
            return any(
                refers(wanted, ours.lower(), other.lower())
                for other in others
                if other is not None and ours is not None
            )
    raise AssertionError(wanted)


def refers(wanted, ours, other):
    if wanted.starts_with and wanted.ends_with:
        return other in ours
    return (
        ours.startswith(other)
        if wanted.starts_with
        else ours.endswith(other)
        if wanted.ends_with
        else ours == other
    )


# The generator: rules and events over few names and values, so that they meet.

WORDS = [
    "main",
    "Main",
    "ma",
    "in",
    "",
    "public",
    "acme/app",
    "5",
    "5.5",
    "true",
    "null",
    "a*b",
    "a?b",
    "c:\\d",
    "a\\*b",
    "\\",
    "x\ny",
    "-p",
    "é",
    "10.1.2.3",
    "2001:db8::7",
]
FIELDS = ["action", "visibility", "actor", "n", "deep.name", "deep.list", "list.name", "dotted.key", "addr"]
PATTERNS = [
    "main",
    "*",
    "?",
    "ma*",
    "*in",
    "*a*",
    "m?in",
    "*a*i*",
    "a\\*b",
    "a\\?b",
    "a\\\\*b",
    "c:\\d",
    "c:\\\\d",
    "\\",
    "*\\\\",
    "",
    "5",
    "true",
    "*:?8*",
    "PUBLIC",
    "x*y",
    "é",
    "??",
]
REGEXES = ["ma", "^ma.n$", "a|b", "[0-9]+", "^$", "x.y", "^y", "(?i)MAIN", "\\d", "a\\*"]
NETWORKS = ["10.0.0.0/8", "10.1.2.3/32", "192.0.2.0/24", "2001:db8::/32", "::/0", "0.0.0.0/0"]


def item(random):
    field, value = random.choice(FIELDS), partial(random.choice, PATTERNS)
    some = lambda make: [make() for _ in range(random.randint(1, 3))] if random.random() < 0.4 else make()  # noqa: E731
    kinds = [
        lambda: (field, some(value)),
        lambda: (field, some(lambda: random.choice([5, 5.5, 5.0, True, False, None, "main", "m*"]))),
        lambda: (f"{field}|{random.choice(['contains', 'startswith', 'endswith'])}", some(value)),
        lambda: (f"{field}|{random.choice(['contains', 'startswith', 'endswith'])}|all", [value(), value()]),
        lambda: (f"{field}|all", [value(), value()]),
        lambda: (f"{field}|cased", some(value)),
        lambda: (f"{field}|contains|cased", some(value)),
        lambda: (f"{field}|re", some(lambda: random.choice(REGEXES))),
        lambda: (
            f"{field}|re|{random.choice(['i', 'm', 's', 'i|s', 'ignorecase|multiline|dotall'])}",
            random.choice(REGEXES),
        ),
        lambda: (f"{random.choice([field, 'addr'])}|cidr", some(lambda: random.choice(NETWORKS))),
        lambda: (
            f"{random.choice([field, 'n'])}|{random.choice(['gt', 'gte', 'lt', 'lte'])}",
            random.choice([5, 5.5, 0, -1, 6]),
        ),
        lambda: (f"{field}|exists", random.choice([True, False])),
        lambda: (f"{field}|neq", some(value)),
        lambda: (f"{field}|fieldref", random.choice(FIELDS)),
        lambda: (
            f"{field}|fieldref|{random.choice(['startswith', 'endswith', 'contains'])}",
            random.choice(FIELDS),
        ),
        lambda: (f"{field}|windash|contains", random.choice(["-p", "main", "/p"])),
        lambda: (f"{field}|base64offset|contains", random.choice(["main", "acme"])),
        lambda: (f"{field}|{random.choice(['base64', 'wide'])}", random.choice(["main", "5"])),
    ]
    return random.choice(kinds)()


def detection(random):
    kind = random.random()
    one = lambda: dict(item(random) for _ in range(random.randint(1, 3)))  # noqa: E731
    if kind < 0.6:
        return one()
    if kind < 0.8:
        return [one() for _ in range(random.randint(1, 3))]
    if kind < 0.9:
        return [random.choice(["main", "acme", "5", "*a?*", 5, "x\ny"]) for _ in range(random.randint(1, 2))]
    return {"|all": [random.choice(["main", "acme"]), random.choice(["a", "public"])]}


def condition(random, names, depth=0):
    inner = partial(condition, random, names, depth + 1)
    kinds = [
        lambda: random.choice(names),
        lambda: f"{random.choice(['1', 'any', 'all'])} of {random.choice(['them', 'sel_*', '*', names[0]])}",
        lambda: f"not {inner()}",
        lambda: f"({inner()})",
        lambda: f"{inner()} and {inner()}",
        lambda: f"{inner()} or {inner()}",
    ]
    return random.choice(kinds[: 2 if depth > 2 else 6])()


def make_rule(random):
    names = ["sel_a", "sel_b", "filter", "_hidden"][: random.randint(1, 4)]
    detections = {name: detection(random) for name in names}
    return {
        "title": "A generated rule",
        "logsource": {"product": "github", "service": "audit"},
        "detection": {**detections, "condition": condition(random, names)},
        "level": "high",
    }


def make_event(random):
    scalar = lambda: random.choice([*WORDS, 5, 5.0, 5.5, 6, -1, True, False, None, "bWFpbg==", "m\0a\0i\0n\0"])  # noqa: E731
    value = lambda: [scalar() for _ in range(random.randint(0, 3))] if random.random() < 0.2 else scalar()  # noqa: E731
    event = {field: value() for field in ("action", "visibility", "actor", "n", "addr") if random.random() < 0.7}
    if random.random() < 0.7:
        event["deep"] = random.choice([{"name": value(), "list": [scalar()]}, {}, "text", [{"name": value()}, 5]])
    if random.random() < 0.5:
        event["list"] = [{"name": scalar()} for _ in range(random.randint(0, 3))]
    if random.random() < 0.5:
        event["dotted.key"] = scalar()
    return event


def ours(rule, tmp_path):
    path = tmp_path / "rule.yml"
    path.write_text(yaml.safe_dump(rule, allow_unicode=True))
    found = read_sigma_files([str(path)], Paths(tmp_path, tmp_path), {}, "info")
    assert not found.problems, (found.problems, rule)
    return found.rules[0][0].condition


def test_ours_and_pysigma_agree_on_generated_rules_and_events(tmp_path):
    """Each pair is decided alike, by the whole condition and by what stream and action leave of it."""
    source = random.Random(20250601)
    compared = matched = 0
    for _ in range(RULES):
        rule = make_rule(source)
        oracle = SigmaRule.from_dict(rule).detection.parsed_condition[0].parsed
        ours_ = ours(rule, tmp_path)
        whole = compile_condition(ours_)
        for _ in range(PAIRS // RULES):
            event = make_event(source)
            record = Record("uid", "audit_log", "", 0, 0, event)
            facts = {"stream": "audit_log"} | ({"action": event["action"]} if "action" in event else {})
            rest = compile_condition(specialise(ours_, facts))
            expected = holds(oracle, event)
            assert whole(event, record) is expected, (rule["detection"], event)
            assert rest(event, record) is expected, (rule["detection"], event)
            compared, matched = compared + 1, matched + expected
    assert compared == PAIRS
    assert PAIRS * 0.2 < matched < PAIRS * 0.8


def test_the_generator_uses_every_modifier():
    """No modifier is left out of the comparison but those that pySigma leaves to its pipelines."""
    from shipper.processors.rules.values import MODIFIERS  # noqa: PLC0415 - beside its only use

    source = random.Random(1)
    used = {part for _ in range(5000) for part in item(source)[0].split("|")[1:]}
    assert MODIFIERS - used == {"expand", "utf16", "utf16le", "utf16be"}


@pytest.mark.parametrize(
    "pattern",
    [
        "a*b",
        "a\\*b",
        "a\\\\*b",
        "a\\\\\\*b",
        "\\a",
        "a\\",
        "\\\\",
        "*",
        "**",
        "?*",
        "*?",
        "a?",
        "",
        "*a*a*",
        "?" * 5,
        "a*?b",
    ],
)
def test_wildcards_and_escapes_read_as_pysigma_reads_them(tmp_path, pattern):
    """Stars, question marks and backslashes mean the same in every combination."""
    rule = make_rule(random.Random(2)) | {"detection": {"sel": {"actor": pattern}, "condition": "sel"}}
    oracle = SigmaRule.from_dict(rule).detection.parsed_condition[0].parsed
    test = compile_condition(ours(rule, tmp_path))
    alphabet = ["a", "b", "*", "?", "\\"]
    texts = ["", *alphabet, *(x + y for x in alphabet for y in alphabet)]
    texts += [x + y for x in texts for y in texts]
    for found in dict.fromkeys(texts):
        event = {"actor": found}
        assert test(event, Record("", "audit_log", "", 0, 0, event)) is holds(oracle, event), found


def test_precedence_is_not_then_and_then_or(tmp_path):
    """Conditions group as Sigma groups them."""
    rule = make_rule(random.Random(3))
    rule["detection"] = {name: {"actor": name} for name in "abcd"} | {"condition": "a or not b and c or d"}
    stream, *rest = ours(rule, tmp_path).parts
    [some] = rest
    first, second, third = some.parts
    assert isinstance(some, Some)
    assert isinstance(second, All)
    assert isinstance(second.parts[0], Not)
    assert all(isinstance(part, Field) for part in (stream, first, third, second.parts[1]))
