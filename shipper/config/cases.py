"""The `tests:` of a configuration and of files beside it, each with the line it stands in."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shipper.config import files, nodes, references
from shipper.config.beyond import examine
from shipper.config.diagnostics import Diagnostic, Invalid, dotted
from shipper.config.expansion import Expansion
from shipper.config.loaded import Loaded
from shipper.config.models import TestConfig
from shipper.core.component import ConfigModel, Paths
from shipper.core.errors import Loc, Problem


class _TestsFile(ConfigModel):
    """A file of tests beside a configuration."""

    tests: list[TestConfig]


@dataclass(frozen=True, slots=True)
class Case:
    """A test and where it stands."""

    test: TestConfig
    file: str
    line: int
    paths: Paths
    """Where the files it names are looked for."""


def of(loaded: Loaded) -> list[Case]:
    """The tests of a configuration that was loaded."""
    root = _compose(loaded.path)
    return [
        Case(test, str(loaded.path), nodes.locate(root, ("tests", index)).line, loaded.paths)
        for index, test in enumerate(loaded.tests)
    ]


def read(
    path: Path, pipelines: Collection[str], env: Mapping[str, str], working: Path | None = None
) -> list[Case]:
    """The tests of a file beside a configuration that has these pipelines.

    Raises:
        Invalid: with everything that is wrong.
    """
    paths = Paths(working or Path.cwd(), path.absolute().parent)
    root = _compose(path)
    problems = Expansion(env, paths).apply(root)
    try:
        frame, faults = examine(_TestsFile, root, lambda valid: missing_files(valid.tests, paths))
    except nodes.Malformed as malformed:
        raise _invalid(path, [malformed.fault]) from None
    problems += [*faults, *references.check_tests(root, list(pipelines))]
    if frame is None or problems:
        raise Invalid(
            [
                Diagnostic(
                    str(path),
                    *nodes.locate(root, problem.loc, at_key=problem.at_key),
                    problem.severity,
                    problem.code,
                    dotted(problem.loc),
                    problem.message,
                )
                for problem in problems
            ]
        )
    lines = [nodes.locate(root, ("tests", index)).line for index in range(len(frame.tests))]
    return [Case(test, str(path), line, paths) for test, line in zip(frame.tests, lines, strict=True)]


def missing_files(tests: Iterable[TestConfig], paths: Paths) -> Iterator[Problem]:
    """The files of events that are not there."""
    for index, test in enumerate(tests):
        where: Loc = ("tests", index, "input") if test.input else ("tests", index)
        if test.source.file and not paths.input(test.source.file).is_file():
            yield Problem((*where, "file"), "missing-file", f"there is no file {test.source.file}")


def _compose(path: Path) -> nodes.Mapping:
    faults: list[nodes.Fault] = []
    try:
        root = files.read(path, "file", faults.append)
    except nodes.Malformed as malformed:
        raise _invalid(path, [*faults, malformed.fault]) from None
    if not isinstance(root, nodes.Mapping):
        wrong = files.unusable("yaml-syntax", "the file must be a map with `tests:`")
        raise _invalid(path, [*faults, wrong.fault])
    if faults:
        raise _invalid(path, faults)
    return root


def _invalid(path: Path, faults: Sequence[nodes.Fault]) -> Invalid:
    return Invalid(
        [Diagnostic(str(path), *each.mark, "error", each.code, dotted(each.loc), each.message) for each in faults]
    )
