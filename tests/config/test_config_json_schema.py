"""`schemas/pipelines.schema.json`: what editors know of the file."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from shipper.cli import components as components_command
from shipper.cli import schema as schema_command
from shipper.config import load, nodes, reading, reference
from shipper.service import registry

ROOT = Path(__file__).parents[2]
BROKEN = Path(__file__).parent / "broken"
SCHEMA: Any = json.loads(schema_command.text(plugins=False))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

#: What a schema can see; the rest needs the environment, files, or more than one place at once.
SEEN = {
    "unknown-key",
    "wrong-type",
    "unknown-value",
    "bad-duration",
    "bad-size",
    "bad-endpoint",
    "unknown-component",
}
#: Files whose faults look like those, but are inside something that the schema leaves open.
UNSEEN = {"expanded-value-of-the-wrong-type", "rule-bad-comparison"}


def as_an_editor_reads_it(text: str) -> Any:
    """YAML 1.2, nothing expanded."""
    root = reading.Composer(text).compose()
    assert root is not None
    return nodes.value(root)


def faults(text: str) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(as_an_editor_reads_it(text))]


def test_the_file_is_fresh() -> None:
    """Made by `shipper schema --builtin > schemas/pipelines.schema.json`."""
    assert (ROOT / "schemas" / "pipelines.schema.json").read_text() == schema_command.text(plugins=False)


def test_the_reference_is_fresh() -> None:
    """Made by `shipper components --output markdown --builtin > docs/reference.md`."""
    made = reference.markdown(list(components_command.entries(plugins=False)))
    assert (ROOT / "docs" / "reference.md").read_text() == made


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_every_reference_leads_somewhere() -> None:
    referenced = set(re.findall(r'"#/\$defs/([^"]+)"', json.dumps(SCHEMA)))
    assert referenced == set(SCHEMA["$defs"])


def test_every_key_is_described() -> None:
    """Components without a description for a key would be a hole in editors and in docs/reference.md."""
    bare = [
        f"{name}.{key}"
        for name, definition in SCHEMA["$defs"].items()
        for key, inner in definition.get("properties", {}).items()
        if not inner.get("description")
    ]
    assert bare == []


VALID = [
    """
    receivers:
      github:
        organizations: ["${env:ORG}", 12345]
        auth: {token: "${file:token}"}
        poll_interval: ${env:POLL:-300s}
        rate_limit:
        streams:
          audit_log:
          code_scanning: false
          secret_scanning: true
          dependabot: {states: [open, "${env:STATE}"]}
    processors:
      normalize:
      rules/severity: null
      schema: {on_invalid: "${env:ON_INVALID}"}
    exporters:
      debug:
      debug/two: {}
      otlp: {endpoint: "collector:4317", tls: {insecure: "${env:INSECURE}", min_version: 1.2}, timeout: 0.5s}
      otlphttp/a: {endpoint: "http://localhost:4318", headers: {x-tenant: 12}, batch: null}
      syslog: {endpoint: localhost, port: "${env:PORT}", facility: 13}
    extensions:
    service:
      pipelines:
        logs: {receivers: [github], processors: , exporters: [debug, debug/two]}
        logs/more:
          receivers: [github]
          processors: [normalize, rules/severity, schema]
          exporters: [otlp, otlphttp/a, syslog]
          dead_letter: [debug/two]
      telemetry: {logs: {level: "${env:LEVEL}"}, metrics: false}
      admin: null
    """,
    """
    x-common: &tls {tls: {ca_file: null}}
    receivers:
      github/a: {<<: *tls, enterprise: acme, auth: {app: {client_id: Iv23, private_key: "${env:KEY}"}}, base_url: }
    exporters: {file: {path: out.jsonl, format: }}
    extensions: {storage: {type: memory, max_size: 1048576, retention: 7d}}
    service:
      pipelines: {logs: {receivers: [github/a], exporters: [file]}}
      telemetry: {metrics: {endpoint: "[::1]:0", otlp: {endpoint: "http://localhost:4318", headers: {a: b}}}}
      admin: {endpoint: ":13133"}
    tests:
      - {name: one, input: {stream: audit_log, event: {action: repo.access}}, expect: {dropped: true}}
      - name: 2
        events: [{action: a}, {action: b}]
        expect: [{rule: r, severity: high, attributes: {a: 1}}, {body: {action: b}, otlp: x.json, syslog: "<1>"}]
    """,
]


@pytest.mark.parametrize("text", VALID)
def test_what_the_loader_accepts_an_editor_accepts(text: str, tmp_path: Path) -> None:
    """Null bodies, expansions wherever a scalar is, unquoted numbers for texts, `type/name` keys."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - only here
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    env = {
        "ORG": "acme",
        "STATE": "fixed",
        "ON_INVALID": "tag",
        "INSECURE": "true",
        "PORT": "514",
        "LEVEL": "warn",
    }
    (tmp_path / "token").write_text("ghp_1")
    path = tmp_path / "pipelines.yaml"
    path.write_text(text)
    load(path, registry.find, {**env, "KEY": key.decode()}, tmp_path)
    assert faults(text) == []


def broken_files() -> list[Path]:
    files = []
    for path in sorted(BROKEN.glob("*.yaml")):
        told = re.findall(r"^#> .*?error\[(\S+)\]", path.read_text(), re.MULTILINE)
        if set(told) & SEEN and path.stem not in UNSEEN and not any(code.startswith("yaml-") for code in told):
            files.append(path)
    return files


@pytest.mark.parametrize("path", broken_files(), ids=lambda path: path.stem)
def test_an_editor_underlines_what_is_wrong_in_itself(path: Path) -> None:
    assert faults(path.read_text()) != []


def test_an_editor_completes_ids() -> None:
    """Types as they are, and any name behind a slash."""
    pipeline = SCHEMA["$defs"]["PipelineConfig"]["properties"]
    assert pipeline["receivers"]["items"]["anyOf"][0] == {"enum": ["github"]}
    assert pipeline["processors"]["items"]["anyOf"][0] == {"enum": ["normalize", "rules", "schema", "redact"]}
    assert list(SCHEMA["properties"]["receivers"]["properties"]) == ["github"]
    assert list(SCHEMA["properties"]["receivers"]["patternProperties"]) == [r"^github(/[^\s/]+)?$"]


def test_secrets_are_marked() -> None:
    """Editors and the chart's own schema know by `writeOnly` what must not be written out."""
    token = SCHEMA["$defs"]["receiver.github.AuthConfig"]["properties"]["token"]
    assert "writeOnly" in json.dumps(token)


@pytest.mark.parametrize(
    "path", [ROOT / "pipelines.yaml", *sorted((ROOT / "examples").rglob("pipelines*.yaml"))], ids=str
)
def test_our_own_configurations_are_clean_in_an_editor(path: Path) -> None:
    assert faults(path.read_text()) == []
