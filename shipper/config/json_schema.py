"""The JSON Schema of a configuration file, for editors: made of the models that load it."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from shipper.config import shapes, values
from shipper.config.models import FileConfig
from shipper.config.references import SECTIONS, USES
from shipper.core.component import Component, Kind

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_EXPANSION: Final = {"type": "string", "pattern": r"\$\{"}
_NULL: Final = {"type": "null"}
_NAME: Final = r"/[^\s/]+"
#: Keywords about a value as a whole; they stay outside when alternatives are added to what a value may be.
_ANNOTATIONS: Final = ("title", "description", "default", "examples", "deprecated", "writeOnly")

_OF_TEXT: Final = ("type", "format")

Types = dict[Kind, dict[str, tuple[Component[Any, Any], str]]]
"""Every component by kind and type, with its docstring."""


class _Generate(GenerateJsonSchema):
    """pydantic's schema, with the descriptions below the fields, and what the loader understands besides."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """A model: its keys described, a body of null allowed where nothing is required."""
        made = super().model_schema(schema)
        cls = schema["cls"]
        made.pop("title", None)
        described = shapes.descriptions(cls) if issubclass(cls, BaseModel) else {}
        for key, inner in made.get("properties", {}).items():
            inner.pop("title", None)
            if key in described:
                inner["description"] = described[key]
        _defaults(cls, made.get("properties", {}))
        return made


def _defaults(cls: type[BaseModel], properties: dict[str, Any]) -> None:
    """Defaults as people write them; a model's is told by its own keys."""
    for key, info in shapes.keys(cls).items():
        if "default" in properties.get(key, {}):
            default = values.default_of(info)
            properties[key].pop("default")
            if default is not None and not isinstance(default, dict):
                properties[key]["default"] = default


def schema(types: Types) -> dict[str, Any]:
    """The JSON Schema (2020-12) of files that name these components."""
    definitions: dict[str, Any] = {}
    whole = _of(FileConfig, "", definitions)
    whole["properties"].update(
        {SECTIONS[kind]: _section(kind, whole, known, definitions) for kind, known in types.items()}
    )
    _pipelines(definitions, types)
    whole["patternProperties"] = {"^x-": {"description": "Anything: a place for anchors."}}
    made = {"$schema": DIALECT, "title": "Pipelines of the GitHub log shipper", **whole}
    made.pop("description", None)
    return {**made, "$defs": {name: definitions[name] for name in sorted(definitions)}}


def _of(model: type[BaseModel], prefix: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """A model's schema; the models inside go to `definitions` under names that start with `prefix`."""
    template = f"#/$defs/{prefix}{{model}}"
    made = model.model_json_schema(by_alias=True, ref_template=template, schema_generator=_Generate)
    inner = made.pop("$defs", {})
    for name, definition in inner.items():
        definitions[prefix + name] = _body(definition)
    return _body(made)


def _section(
    kind: Kind,
    whole: dict[str, Any],
    known: Mapping[str, tuple[Component[Any, Any], str]],
    definitions: dict[str, Any],
) -> dict[str, Any]:
    exact: dict[str, Any] = {}
    named: dict[str, Any] = {}
    for type_name, (component, docstring) in known.items():
        definition = f"{kind}.{type_name}"
        body = _of(component.config, f"{definition}.", definitions)
        definitions[definition] = body | {"description": shapes.summary(docstring)}
        reference = {"$ref": f"#/$defs/{definition}"}
        exact[type_name] = reference
        named[f"^{type_name}({_NAME})?$"] = reference
    described = whole["properties"][SECTIONS[kind]].get("description", "")
    return {
        "description": described,
        "type": ["object", "null"],
        "properties": exact,
        "patternProperties": named,
        "additionalProperties": False,
    }


def _pipelines(definitions: dict[str, Any], types: Types) -> None:
    """What only the frame knows: ids of pipelines, ids of components, and that a pipeline has two ends."""
    service = definitions["ServiceConfig"]["properties"]["pipelines"]
    pipeline = service.pop("additionalProperties")
    service.update(
        properties={"logs": pipeline},
        patternProperties={f"^logs({_NAME})?$": pipeline},
        additionalProperties=False,
        minProperties=1,
    )
    body = definitions["PipelineConfig"]
    for key, kind in USES.items():
        described = body["properties"][key].get("description", "")
        required = key in ("receivers", "exporters")
        body["properties"][key] = {
            "description": described,
            **({"type": "array", "minItems": 1} if required else {"type": ["array", "null"]}),
            "items": _ids(types.get(kind, {})),
            "uniqueItems": True,
        }
    body["required"] = ["receivers", "exporters"]
    body["type"] = "object"


def _ids(known: Iterable[str]) -> dict[str, Any]:
    names = list(known)
    either = "|".join(names)
    return {"anyOf": [{"enum": names}, {"type": "string", "pattern": f"^({either}){_NAME}$"}, _EXPANSION]}


# What the loader understands beside what the model says


def _body(made: dict[str, Any]) -> dict[str, Any]:
    """A model's schema, tolerant as the loader is."""
    properties = made.get("properties", {})
    required = made.get("required", [])
    for key, inner in properties.items():
        properties[key] = _tolerant(inner, optional=key not in required)
    if not required and made.get("type") == "object":
        made["type"] = ["object", "null"]
    return made


def _tolerant(made: dict[str, Any], *, optional: bool = False) -> dict[str, Any]:
    """The same, with an expansion wherever a scalar is, unquoted text, and null for what has a default."""
    outside: dict[str, Any] = {key: made[key] for key in _ANNOTATIONS if key in made}
    inside = {key: value for key, value in made.items() if key not in _ANNOTATIONS}
    alternatives = _alternatives(inside)
    if optional and inside and not any(_allows_null(each) for each in alternatives):
        alternatives.append(_NULL)
    if len(alternatives) == 1 or not inside:
        return {**(alternatives[0] if inside else {}), **outside}
    return {"anyOf": alternatives, **outside}


def _alternatives(made: dict[str, Any]) -> list[dict[str, Any]]:
    if made.get("const") is False:
        return _alternatives({"type": "boolean"})
    if "anyOf" in made and len(made) == 1:
        found = [other for each in made["anyOf"] for other in _alternatives(each)]
    elif "$ref" in made or made.get("type") in ("object", "array"):
        return [_inside(made)]
    elif made.get("type") == "string" and not made.keys() & {"enum", "const", "pattern"}:
        return [{"type": ["string", "number", "boolean"], **{k: v for k, v in made.items() if k not in _OF_TEXT}}]
    elif made.get("type") in ("string", "integer", "number", "boolean") or "const" in made or "enum" in made:
        found = [made, *_numbers(made), _EXPANSION]
    else:
        found = [made] if made else [{}]
    return list({json.dumps(each, sort_keys=True): each for each in found}.values())


def _numbers(made: dict[str, Any]) -> list[dict[str, Any]]:
    """The numbers among the words of an enumeration, written without quotes: `min_version: 1.2`."""
    words = [word for word in made.get("enum", []) if isinstance(word, str)]
    numbers = [float(word) for word in words if word.replace(".", "", 1).isdigit()]
    return [{"enum": numbers}] if numbers else []


def _inside(made: dict[str, Any]) -> dict[str, Any]:
    for keyword in ("items", "additionalProperties"):
        if isinstance(made.get(keyword), dict):
            made[keyword] = _tolerant(made[keyword])
    return made


def _allows_null(made: dict[str, Any]) -> bool:
    kinds = made.get("type", ())
    return "null" in ([kinds] if isinstance(kinds, str) else kinds)
