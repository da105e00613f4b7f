"""Makes helm/shipper/values.schema.json: the chart's own values, and the configuration's schema for `config`.

    python helm/values_schema.py            writes it
    python helm/values_schema.py --check    exit code 1 when it is stale

Helm 3 knows JSON Schema up to draft 7 and the configuration's is 2020-12, so definitions are renamed. A value that
is secret must be an expansion: what `config` holds becomes a ConfigMap and stays in Helm's release.
"""

import json
import sys
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
MADE = HERE / "shipper" / "values.schema.json"
PREFIX = "pipelines"

#: Headers that carry a credential; others, such as a tenant, may be written out.
_CREDENTIAL_HEADERS = "([Aa]uth|[Tt]oken|[Kk]ey|[Ss]ecret|[Pp]assword|[Cc]ookie)"
_SECRET = {"type": ["string", "null"], "pattern": r"\$\{(env|file):"}


def made() -> str:
    """The schema's text, as it should be."""
    values = yaml.safe_load((HERE / "values.schema.yaml").read_text(encoding="utf-8"))
    pipelines = json.loads((HERE.parent / "schemas" / "pipelines.schema.json").read_text(encoding="utf-8"))
    pipelines.pop("$schema")
    definitions = pipelines.pop("$defs")
    definitions["receiver.github"]["required"].remove("auth")  # the chart adds it, from `github`
    values["definitions"][PREFIX] = _embedded(pipelines)
    for name, definition in definitions.items():
        values["definitions"][f"{PREFIX}.{name}"] = _embedded(definition)
    return json.dumps(values, indent=1, ensure_ascii=False) + "\n"


def _embedded(schema: Any) -> Any:
    """A part of the configuration's schema as part of the values'."""
    if isinstance(schema, list):
        return [_embedded(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("writeOnly"):
        return _SECRET | {key: schema[key] for key in ("description",) if key in schema}
    inner = schema.get("additionalProperties")
    if isinstance(inner, dict) and inner.get("writeOnly"):
        open_ones = {key: value for key, value in inner.items() if key != "writeOnly"}
        schema = schema | {"patternProperties": {_CREDENTIAL_HEADERS: _SECRET}, "additionalProperties": open_ones}
    reference = schema.get("$ref", "")
    if reference.startswith("#/$defs/"):
        # Draft 7 ignores what stands beside a $ref.
        return {"$ref": reference.replace("#/$defs/", f"#/definitions/{PREFIX}.")}
    return {key: _embedded(value) for key, value in schema.items()}


def main() -> int:
    """Write it, or say whether it is stale."""
    text = made()
    if "--check" in sys.argv[1:]:
        fresh = MADE.exists() and MADE.read_text(encoding="utf-8") == text
        if not fresh:
            sys.stderr.write("helm/shipper/values.schema.json is stale; run python helm/values_schema.py\n")
        return 0 if fresh else 1
    MADE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
