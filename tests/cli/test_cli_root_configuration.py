"""The root's pipelines.yaml: the built-in rules, each tested."""

from pathlib import Path

import yaml

from shipper.cli.offline import load_offline
from shipper.config import cases
from shipper.processors.rules import RuleConfig, built_in
from shipper.service.offline.trial import Trial

ROOT = Path(__file__).parents[2] / "pipelines.yaml"


def test_its_rules_are_the_built_in_ones():
    rules = yaml.safe_load(ROOT.read_text())["processors"]["rules/severity"]
    assert [RuleConfig.model_validate(rule) for rule in rules["rules"]] == list(built_in("github-default"))
    assert rules["use"] == []


def test_it_is_valid_without_a_warning_in_a_clean_environment():
    loaded, unset = load_offline(ROOT, {})
    assert loaded.warnings == []
    assert unset == ["GITHUB_ORG", "GITHUB_TOKEN"]


def test_its_tests_pass_and_meet_every_rule():
    loaded, _ = load_offline(ROOT, {})
    trial = Trial(loaded)
    results = [trial.run(case) for case in cases.of(loaded)]
    assert [result.case.test.name for result in results if not result.passed] == []
    assert [rule.rule for rule in trial.coverage.rules() if not rule.hit] == []


def test_each_rule_is_named_by_a_test():
    named = {each["expect"].get("rule") for each in yaml.safe_load(ROOT.read_text())["tests"]}
    assert named == {None, *(rule.name for rule in built_in("github-default"))}
