"""A JSON Schema in a file, compiled: references lead to other files of this machine, and nothing is fetched."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import jsonschema_rs

_MOST_ERRORS: Final = 10
_LONGEST_MESSAGE: Final = 300


@dataclass(frozen=True, slots=True)
class Failure:
    """One way in which an event breaks its schema."""

    pointer: str
    """JSON Pointer (RFC 6901) to what is wrong; `/` for the event itself."""
    message: str
    field: str
    """The pointer with array indexes as `*`, or the property that is missing: for counting."""


class UnusableError(Exception):
    """A schema file that can't be used; carries the code of the problem."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Validator:
    """One compiled schema.

    Raises:
        UnusableError: the file is missing, is no JSON, is no schema, or refers to what is not on this machine.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        document = _load(path)
        address = path.absolute().as_uri()
        try:
            self._validator = _compiled(document, path, address)
        except jsonschema_rs.ValidationError as error:
            raise _unusable(error) from None
        except (jsonschema_rs.ReferencingError, ValueError) as error:
            raise UnusableError("bad-schema", _cut(str(error))) from None
        self._page = _compiled_for_pages(document, path, address)

    def all_valid(self, events: list[Any]) -> bool:
        """Whether no event breaks the schema: cheaper than to look at each. False also where it can't tell."""
        try:
            return self._page is not None and self._page.is_valid(events)
        except (ValueError, RecursionError):
            return False

    def failures(self, event: Any) -> list[Failure]:
        """In which ways an event breaks the schema, at most ten of them; none if it is valid."""
        try:
            return self._failures(event)
        except (ValueError, RecursionError):  # lone surrogates, which the engine does not take
            pass
        try:
            return self._failures(json.loads(json.dumps(event, ensure_ascii=False).encode("utf-8", "replace")))
        except (ValueError, RecursionError):
            return [Failure("/", "the event can't be checked", "/")]

    def _failures(self, event: Any) -> list[Failure]:
        if self._validator.is_valid(event):
            return []
        return [_failure(error) for error in islice(self._validator.iter_errors(event), _MOST_ERRORS)]


def _compiled(document: Any, path: Path, address: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(
        document,
        base_uri=address,
        retriever=_retriever(path),
        mask="the value",
        pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=100_000),
    )


def _compiled_for_pages(document: Any, path: Path, address: str) -> jsonschema_rs.Validator | None:
    """The schema of a list of such events; None where the schema can't be part of another."""
    if not isinstance(document, dict):
        return None
    page = {"type": "array", "items": {"$id": address, **document}}
    if "$schema" in document:
        page["$schema"] = document["$schema"]
    try:
        return _compiled(page, path, f"{address}.page")
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError):
        return None


def _failure(error: jsonschema_rs.ValidationError) -> Failure:
    path = [str(step).replace("~", "~0").replace("/", "~1") for step in error.instance_path]
    field = ["*" if isinstance(step, int) else str(step) for step in error.instance_path]
    if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Required):
        field.append(str(error.kind.property))
    return Failure(_cut("/" + "/".join(path)), _cut(error.message), _cut("/" + "/".join(field)))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_MESSAGE else text[: _LONGEST_MESSAGE - 1] + "…"


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise UnusableError("unreadable-file", f"can't read {path}: {error.strerror}") from None
    except json.JSONDecodeError as error:
        message = f"{path}:{error.lineno}:{error.colno}: no JSON: {error.msg}"
        raise UnusableError("bad-schema", message) from None
    except (ValueError, RecursionError):
        raise UnusableError("bad-schema", f"{path} is no JSON in UTF-8") from None


class _RemoteError(KeyError):
    """A reference that leads to another machine."""


def _retriever(path: Path) -> Any:
    """Finds what a schema refers to among the files of this machine.

    A reference is relative to the file, or to its `$id`: then the file beside it is taken that has the reference's
    name and says with its `$id` that it is meant.
    """

    def retrieve(uri: str) -> Any:
        parts = urlsplit(uri)
        if parts.scheme == "file":
            return _load(Path(unquote(parts.path)))
        beside = path.parent / Path(unquote(parts.path)).name
        if beside.is_file():
            document = _load(beside)
            if isinstance(document, Mapping) and str(document.get("$id", "")).rstrip("#") == uri:
                return document
        raise _RemoteError(uri)

    return retrieve


def _unusable(error: jsonschema_rs.ValidationError) -> UnusableError:
    """What the engine says of a schema, in an operator's words."""
    message = str(error.message)
    if "_RemoteError" in message:
        target = message.split("'")[1] if "'" in message else "a schema"
        reason = (
            f"refers to {target}, which is not on this machine and is not fetched; put the file beside this one"
        )
        return UnusableError("remote-reference", f"{reason} and refer to it by its name")
    if "Resource" in message or "Pointer" in message:
        return UnusableError("bad-reference", _cut(message))
    where = "/" + "/".join(map(str, error.instance_path))
    return UnusableError("bad-schema", f"is no JSON Schema at {where}: {_cut(message)}")
