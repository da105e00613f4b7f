"""The examples of docs/rules.md, docs/schemas.md and docs/redact.md are right, and so are their lists."""

import re
from pathlib import Path

import pytest
import yaml

from shipper.processors import redact, rules, schema
from shipper.processors.rules.values import MODIFIERS

DOCS = Path(__file__).parents[2] / "docs"
COMPONENTS = {"rules": rules.component, "schema": schema.component, "redact": redact.component}


def blocks(name):
    return [
        yaml.safe_load(text)
        for text in re.findall(r"^```yaml\n(.*?)^```$", (DOCS / name).read_text(), re.MULTILINE | re.DOTALL)
    ]


EXAMPLES = [
    (component.partition("/")[0], body or {})
    for page in ("rules.md", "schemas.md", "redact.md")
    for block in blocks(page)
    for component, body in block.get("processors", {}).items()
]
MODULES = [(module.component, module.__doc__) for module in (rules, schema, redact)]


@pytest.fixture
def files(tmp_path):
    """The files that the examples name."""
    [sigma] = [block for block in blocks("rules.md") if "title" in block]
    for name, text in {
        "oauth-applications.txt": "Build Bot\n",
        "robots.txt": "renovate[bot]\n",
        "rules/sigma/guard.yml": yaml.safe_dump(sigma),
        "my-schemas/audit-log.json": "{}",
        "schemas/github-audit-log.schema.json": "{}",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)


@pytest.mark.parametrize(("kind", "body"), EXAMPLES)
@pytest.mark.usefixtures("files")
def test_examples_of_the_pages_have_no_faults(check, build, kind, body):
    """Each is what `shipper validate` would take."""
    assert check(COMPONENTS[kind], body) == []
    assert build(COMPONENTS[kind], body)


@pytest.mark.parametrize(("component", "text"), MODULES)
@pytest.mark.usefixtures("files")
def test_examples_of_the_components_have_no_faults(check, component, text):
    """What `shipper components` shows can be used."""
    [(_, body)] = yaml.safe_load("\n".join(re.findall(r"^    .*$", text, re.MULTILINE)))["processors"].items()
    assert check(component, body) == []


def test_the_page_of_rules_names_every_modifier_and_every_default_rule():
    """Nothing there is without a word."""
    page = (DOCS / "rules.md").read_text()
    assert [rule.name for rule in rules.built_in("github-default") if f"| `{rule.name}` |" not in page] == []
    synonyms = {"ignorecase", "multiline", "dotall"}
    assert [name for name in sorted(MODIFIERS - synonyms) if f"`{name}`" not in page] == []
