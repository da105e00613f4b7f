"""Diagnostics for machines: JSON, GitHub's workflow commands, SARIF."""

from collections.abc import Sequence
from typing import Any, Final

import orjson

from shipper import __version__
from shipper.config.diagnostics import Diagnostic

_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"


def as_json(diagnostics: Sequence[Diagnostic]) -> str:
    """A list of objects with the fields of `Diagnostic`."""
    return _pretty([_fields(diagnostic) for diagnostic in diagnostics])


def as_github(diagnostics: Sequence[Diagnostic]) -> str:
    """Workflow commands that put each diagnostic on its line of a pull request.

    https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands
    """
    return "".join(
        f"::{d.severity} file={_property(d.file)},line={d.line},col={d.column},title={_property(d.code)}"
        f"::{_data(f'{d.path}: {d.message}' if d.path else d.message)}\n"
        for d in diagnostics
    )


def as_sarif(diagnostics: Sequence[Diagnostic]) -> str:
    """SARIF 2.1.0, which code scanning takes (docs.oasis-open.org/sarif/sarif/v2.1.0)."""
    codes = sorted({diagnostic.code for diagnostic in diagnostics})
    driver = {
        "name": "shipper",
        "version": __version__,
        "rules": [{"id": code, "helpUri": f"docs/errors.md#{code}"} for code in codes],
    }
    run = {"tool": {"driver": driver}, "results": [_result(diagnostic) for diagnostic in diagnostics]}
    return _pretty({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]})


def _result(diagnostic: Diagnostic) -> dict[str, Any]:
    message = f"{diagnostic.path}: {diagnostic.message}" if diagnostic.path else diagnostic.message
    return {
        "ruleId": diagnostic.code,
        "level": diagnostic.severity,
        "message": {"text": message},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": diagnostic.file},
                    "region": {"startLine": diagnostic.line, "startColumn": diagnostic.column},
                }
            }
        ],
    }


def _fields(diagnostic: Diagnostic) -> dict[str, Any]:
    return {name: getattr(diagnostic, name) for name in Diagnostic.__slots__}


def _pretty(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
