"""The `tests:` of a configuration and of files beside it, each with the line it stands in."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from shipper.config import nodes, reading, references
from shipper.config.diagnostics import START, Diagnostic, Invalid, Mark, dotted
from shipper.config.expansion import Expansion
from shipper.config.loaded import Loaded
from shipper.config.models import TestConfig
from shipper.config.validation import validate
from shipper.core.component import ConfigModel, Paths
from shipper.core.errors import Problem

#: Bytes of the largest file that is read.
_MAX_FILE = 16 * 2**20


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
    frame, problems = None, Expansion(env, paths).apply(root)
    try:
        frame, faults = validate(_TestsFile, root)
    except nodes.Malformed as malformed:
        raise _invalid(path, malformed.fault.mark, malformed.fault.code, str(malformed)) from None
    problems += [*faults, *references.check_tests(root, list(pipelines)), *_missing_files(frame, paths)]
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


def _compose(path: Path) -> nodes.Mapping:
    try:
        with path.open("rb") as opened:
            text = opened.read(_MAX_FILE).decode("utf-8-sig")
        composer = reading.Composer(text)
        root = composer.compose()
    except OSError as error:
        said = f"the file can't be read: {(error.strerror or 'it is not readable').lower()}"
        raise _invalid(path, START, "unreadable-file", said) from None
    except UnicodeDecodeError:
        raise _invalid(path, START, "yaml-character", "a byte that is not UTF-8; save the file as UTF-8") from None
    except nodes.Malformed as malformed:
        raise _invalid(path, malformed.fault.mark, malformed.fault.code, str(malformed)) from None
    if composer.faults:
        raise Invalid(
            [
                Diagnostic(str(path), *fault.mark, "error", fault.code, dotted(fault.loc), fault.message)
                for fault in composer.faults
            ]
        )
    if not isinstance(root, nodes.Mapping):
        raise _invalid(path, START, "yaml-syntax", "the file must be a map with `tests:`")
    for key in [key for key in root.entries if key.startswith("x-")]:
        del root.entries[key]
    return root


def _missing_files(frame: _TestsFile | None, paths: Paths) -> Iterator[Problem]:
    for index, test in enumerate(frame.tests if frame else []):
        where = ("tests", index, "input") if test.input else ("tests", index)
        if test.source.file and not paths.input(test.source.file).is_file():
            yield Problem((*where, "file"), "missing-file", f"there is no file {test.source.file}")


def _invalid(path: Path, mark: Mark, code: str, message: str) -> Invalid:
    return Invalid([Diagnostic(str(path), *mark, "error", code, "", message)])
