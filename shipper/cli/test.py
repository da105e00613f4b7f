"""`shipper test`: runs the tests of a configuration."""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from shipper.cli.junit import junit
from shipper.cli.offline import load_offline_or_exit
from shipper.cli.options import Report, config_option, tell
from shipper.cli.terminal import safe, safe_json
from shipper.config import Invalid, Loaded, cases
from shipper.config.cases import Case
from shipper.service.offline.coverage import RuleCoverage
from shipper.service.offline.trial import Failure, Result, Trial

_EPILOG = """\b
Examples:
  shipper test -c pipelines.yaml
  shipper test -c pipelines.yaml tests/*.yaml --coverage --junit report.xml
"""


@click.command("test", epilog=_EPILOG)
@config_option
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--coverage", is_flag=True, help="Name every rule, and every branch of a rule, that no test hit.")
@click.option("--junit", "report", type=Report(), metavar="FILE", help="Write JUnit XML, too.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def test(config: Path, files: Sequence[Path], *, coverage: bool, report: Path | None, output: str) -> None:
    """Run the tests of a configuration, and of FILES beside it.

    Events go through the processors of a pipeline; nothing is connected to and nothing is stored.

    Exit code: 0 all passed, 1 some failed or there are none, 78 a file is wrong.
    """
    loaded = load_offline_or_exit(config)
    trial = Trial(loaded)
    results = [trial.run(case) for case in _cases(loaded, files)]
    rules = trial.coverage.rules()
    if report:
        report.write_text(junit(results), "utf-8")
    if output == "json":
        click.echo(safe_json(_as_json(results, rules)))
    else:
        click.echo("\n".join([*_lines(results), *map(safe, _coverage(rules, whole=coverage))]))
    if not results:
        click.echo(f"there are no tests; write them under `tests:` of {config} or in files beside it", err=True)
    sys.exit(0 if results and all(result.passed for result in results) else 1)


def _cases(loaded: Loaded, files: Sequence[Path]) -> list[Case]:
    found = cases.of(loaded)
    wrong = []
    for file in files:
        try:
            found += cases.read(file, list(loaded.pipelines), os.environ)
        except Invalid as invalid:
            wrong += invalid.diagnostics
    if wrong:
        tell(wrong)
        sys.exit(os.EX_CONFIG)
    return found


def _lines(results: Sequence[Result]) -> Iterator[str]:
    failed = [result for result in results if not result.passed]
    for result in failed:
        yield safe(f"{result.case.file}:{result.case.line}: FAILED {result.case.test.name}")
        for failure in result.failures:
            yield from describe(failure, several=result.events > 1)
        yield ""
    tests = f"{len(results)} test{'' if len(results) == 1 else 's'}"
    yield f"{tests}: {len(results) - len(failed)} passed, {len(failed)} failed"


def describe(failure: Failure, *, several: bool) -> Iterator[str]:
    """A failure for people: what was expected and what was found, or where they differ."""
    where = f"event {failure.event}: " if several and failure.event else ""
    yield safe(f"  {where}{failure.what}")
    if failure.diff:
        yield from (safe(f"    {line}") for line in failure.diff)
    else:
        yield safe(f"    expected  {failure.expected}")
        yield safe(f"    found     {failure.found}")


def _coverage(rules: Sequence[RuleCoverage], *, whole: bool) -> Iterator[str]:
    """Which rules no test hit; with `whole`, which of their branches, and what fraction."""
    missed = [rule for rule in rules if not rule.hit]
    if not whole:
        if missed:
            yield f"no test hits {len(missed)} of {len(rules)} rules: {', '.join(rule.rule for rule in missed)}"
        return
    branches = [branch for rule in rules for branch in rule.branches]
    hit = sum(branch.hit for branch in branches)
    yield f"coverage: {_share(len(rules) - len(missed), len(rules))} rules, {_share(hit, len(branches))} branches"
    for rule in rules:
        if not rule.hit:
            yield f"  {rule.processor}: {rule.rule}: no test hits it"
        for branch in rule.branches:
            if rule.hit and not branch.hit:
                kept = "no test is kept away by" if branch.name.startswith("not") else "no test takes"
                yield f"  {rule.processor}: {rule.rule}: {kept} {branch.name}"


def _share(part: int, whole: int) -> str:
    percent = 100 * part // whole if whole else 100
    return f"{percent} % ({part} of {whole})"


def _as_json(results: Sequence[Result], rules: Sequence[RuleCoverage]) -> dict[str, Any]:
    failed = sum(not result.passed for result in results)
    branches = [branch for rule in rules for branch in rule.branches]
    return {
        "passed": len(results) - failed,
        "failed": failed,
        "tests": [
            {
                "name": result.case.test.name,
                "file": result.case.file,
                "line": result.case.line,
                "pipeline": result.pipeline,
                "passed": result.passed,
                "failures": [
                    {"event": each.event, "what": each.what, "expected": each.expected, "found": each.found}
                    for each in result.failures
                ],
            }
            for result in results
        ],
        "coverage": {
            "rules": len(rules),
            "rules_hit": sum(rule.hit for rule in rules),
            "branches": len(branches),
            "branches_hit": sum(branch.hit for branch in branches),
            "missed": [
                {
                    "processor": rule.processor,
                    "rule": rule.rule,
                    "hit": rule.hit,
                    "branches": [branch.name for branch in rule.branches if not branch.hit],
                }
                for rule in rules
                if not rule.hit or not all(branch.hit for branch in rule.branches)
            ],
        },
    }
