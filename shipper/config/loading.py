"""Loads a configuration: the file, its expansions, its models, its components' own checks; all faults at once."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, SecretStr

from shipper.config import cases, files, listening, nodes, references, storing
from shipper.config.beyond import examine
from shipper.config.diagnostics import Diagnostic, Invalid, dotted, ordered
from shipper.config.expansion import Expansion, is_guarded, tenants
from shipper.config.hints import hint
from shipper.config.loaded import Loaded, Part, RecordingPaths
from shipper.config.models import FileConfig
from shipper.config.references import SECTIONS, wrong_id
from shipper.config.suggestions import listed, suggest
from shipper.core.component import Component, Kind
from shipper.core.errors import ConfigError, Loc, Problem
from shipper.wire.text import file_name, masked

#: Characters from which on a value in a URL's query may be a credential: shorter ones are in every text.
_CREDENTIAL_LENGTH: Final = 8

Find = Callable[[Kind, str], Component[Any, Any] | None]
Names = Callable[[Kind], Iterable[str]]


def load(
    path: Path,
    find: Find,
    env: Mapping[str, str],
    working: Path | None = None,
    *,
    names: Names | None = None,
) -> Loaded:
    """Load a configuration file.

    Args:
        path: the file; diagnostics name it as it is given here.
        find: the component of a kind and type, None where there is none.
        env: the variables of `${env:NAME}`.
        working: where relative paths start; the working directory.
        names: the types there are, for suggestions.

    Raises:
        Invalid: with everything that is wrong.
    """
    paths = RecordingPaths(working or Path.cwd(), path.absolute().parent)
    return _Loading(path, paths, env, find, names or (lambda _kind: ())).load()


class _Loading:
    """One loading; collects diagnostics on the way."""

    def __init__(
        self, path: Path, paths: RecordingPaths, env: Mapping[str, str], find: Find, names: Names
    ) -> None:
        self._path = path
        self._paths = paths
        self._find = find
        self._names = names
        self._expansion = Expansion(env, paths)
        self._diagnostics: list[Diagnostic] = []
        self._root: nodes.Node = nodes.Mapping()

    def load(self) -> Loaded:
        """The configuration, or `Invalid`."""
        try:
            self._read()
            self._report((), self._expansion.apply(self._root))
            frame, problems = examine(FileConfig, references.frame(self._root), self._about_frame)
            self._report((), (hint(problem) for problem in problems))
            self._report((), references.check(self._root, self._names))
            parts = {kind: dict(self._parts(kind, section)) for kind, section in SECTIONS.items()}
            if frame:
                writers = parts["exporter"].values()
                self._report((), storing.check_writers(frame.extensions.storage, writers, self._paths))
        except nodes.Malformed as malformed:
            self._fault(malformed.fault)
            raise Invalid(self._diagnostics) from None
        if frame is None or any(diagnostic.severity == "error" for diagnostic in self._diagnostics):
            raise Invalid(self._diagnostics)
        return self._loaded(frame, parts)

    def _loaded(self, frame: FileConfig, parts: dict[Kind, dict[str, Part]]) -> Loaded:
        secrets = set(_secrets([part.config for defined in parts.values() for part in defined.values()]))
        secrets.update(_secrets(frame.service))
        return Loaded(
            path=self._path,
            receivers=parts["receiver"],
            processors=parts["processor"],
            exporters=parts["exporter"],
            storage=frame.extensions.storage,
            pipelines=frame.service.pipelines,
            telemetry=frame.service.telemetry,
            admin=frame.service.admin,
            tests=frame.tests,
            warnings=ordered(self._diagnostics),
            paths=self._paths,
            secrets=secrets - self._tenants | self._expansion.secrets,
            extensions=frame.extensions,
            service=frame.service,
            _recorded={self._path.absolute(), *self._expansion.files},
        )

    # The file

    def _read(self) -> None:
        cure = "`shipper init` writes one, `-c FILE` names another"
        root = files.read(self._path, "configuration", self._fault, cure)
        if root is None or (isinstance(root, nodes.Scalar) and root.value is None):
            raise files.unusable("yaml-empty", "the file holds nothing; `shipper init` writes one to start from")
        if not isinstance(root, nodes.Mapping):
            raise files.unusable(
                "yaml-syntax", "the file must be a map: receivers, processors, exporters, service"
            )
        self._root = root

    def _about_frame(self, frame: FileConfig) -> list[Problem]:
        return [
            *cases.missing_files(frame.tests, self._paths),
            *storing.check(frame.extensions.storage, self._paths),
            *listening.check(frame.service),
        ]

    # Components

    def _parts(self, kind: Kind, section: str) -> Iterator[tuple[str, Part]]:
        defined = nodes.find(self._root, (section,))
        if not isinstance(defined, nodes.Mapping):
            return
        for name, item in defined.entries.items():
            part = self._part(kind, section, name, item.node)
            if part:
                yield name, part

    def _part(self, kind: Kind, section: str, name: str, node: nodes.Node) -> Part | None:
        loc = (section, name)
        wrong = wrong_id(name)
        if wrong:
            self._report(loc, [Problem((), "bad-id", wrong, at_key=True)])
            return None
        component = self._component(kind, loc, name.partition("/")[0])
        if component is None:
            return None
        config, problems = examine(component.config, node, lambda valid: self._checked(component, valid))
        self._report((), (hint(replace(problem, loc=(*loc, *problem.loc))) for problem in problems))
        return None if config is None else Part(name, component, config)

    def _component(self, kind: Kind, loc: Loc, type_name: str) -> Component[Any, Any] | None:
        try:
            component = self._find(kind, type_name)
        except ImportError as error:
            said = f"the {kind} {type_name} can't be loaded: {error}"
            self._report(loc, [Problem((), "component-import", said, at_key=True)])
            return None
        if component is None:
            known = sorted(self._names(kind))
            near = suggest(type_name, known) or (f"; there are {listed(known, 30)}" if known else "")
            problem = Problem(
                loc, "unknown-component", f"there is no {kind} of type {type_name}{near}", at_key=True
            )
            self._report((), [hint(problem)])
        return component

    def _checked(self, component: Component[Any, Any], config: BaseModel) -> list[Problem]:
        """What the component finds by itself, offline."""
        try:
            return list(component.check(config, self._paths))
        except ConfigError as error:
            return error.problems
        except OSError as error:
            name = f" {file_name(str(error.filename))}" if error.filename else ""
            return [Problem((), "unreadable-file", f"the file{name} can't be read: {error.strerror}", at_key=True)]

    # Diagnostics

    def _report(self, prefix: Loc, problems: Iterable[Problem]) -> None:
        for problem in problems:
            loc = (*prefix, *problem.loc)
            mark = nodes.locate(self._root, loc, at_key=problem.at_key)
            message = self._masked(problem.message)
            self._diagnostics.append(
                Diagnostic(str(self._path), *mark, problem.severity, problem.code, dotted(loc), message)
            )

    def _fault(self, fault: nodes.Fault) -> None:
        self._diagnostics.append(
            Diagnostic(str(self._path), *fault.mark, "error", fault.code, dotted(fault.loc), fault.message)
        )

    def _masked(self, message: str) -> str:
        """The message without anything secret: a component may have quoted its configuration."""
        for secret in sorted({*self._expansion.secrets, *self._written}, key=len, reverse=True):
            if len(secret) >= 4:
                message = message.replace(secret, "***")
        return masked(message)

    @cached_property
    def _written(self) -> set[str]:
        """Secrets that stand in the file itself, as far as their keys tell."""
        return {text for loc, text in nodes.texts(self._root) if is_guarded(loc)} - self._tenants

    @cached_property
    def _tenants(self) -> set[str]:
        return tenants(self._root)


def _secrets(value: Any) -> Iterator[str]:
    """Every secret inside a validated configuration."""
    if isinstance(value, SecretStr):
        if value.get_secret_value():
            yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _secrets(getattr(value, name))
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _secrets(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _secrets(inner)
    elif isinstance(value, str) and "://" in value:
        yield from _of_url(value)


def _of_url(url: str) -> Iterator[str]:
    """The password of a URL, and the values in its query that are as long as credentials are."""
    authority = url.partition("://")[2].partition("?")[0]
    if "@" in authority:
        yield authority.rpartition("@")[0].partition(":")[2] or authority.rpartition("@")[0]
    for parameter in filter(None, url.partition("?")[2].split("&")):
        found = parameter.partition("=")[2] or parameter
        if len(found) >= _CREDENTIAL_LENGTH:
            yield found
