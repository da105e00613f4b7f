"""Gives each record its severity, or drops it, by rules in Sigma's words; the first that matches wins.

Without a body it uses the built-in set `github-default`. Fields are those of the original event, and `stream` and
`organization`. Records carry the name of the rule that matched in `shipper.rule`, and `severity`.

    processors:
      rules/severity:
        rules:
          - name: owner-added
            match: {action: org.add_member, permission: admin}
            severity: high
          - name: clones-by-robots
            match: {action: git.clone, actor|endswith: "[bot]"}
            drop: true
        sigma: [rules/sigma/*.yml]
        use: [github-default]
        lists: {allowed_oauth_applications: oauth-applications.txt}

Put it before processors that change the body, such as `redact`. All of it: docs/rules.md.
"""

from collections.abc import Iterable

from shipper.core.component import Component, Context, Paths
from shipper.core.errors import ConfigError, Problem
from shipper.processors.rules.config import Config, RuleConfig, built_in, read_rules
from shipper.processors.rules.processor import Hit, Rules

__all__ = ["Config", "Hit", "RuleConfig", "Rules", "built_in", "component"]


def _check(config: Config, paths: Paths) -> Iterable[Problem]:
    found = read_rules(config, paths)
    found.check_order()
    return found.problems


def _build(config: Config, context: Context) -> Rules:
    found = read_rules(config, context.paths)
    if errors := [problem for problem in found.problems if problem.severity == "error"]:
        raise ConfigError(errors)
    return Rules(found.rules, config.default_severity, context)


component = Component(kind="processor", config=Config, build=_build, check=_check)
