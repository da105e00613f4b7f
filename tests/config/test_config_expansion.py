"""`${env:…}`, `${file:…}` and `$$`."""

from pathlib import Path

import pytest

from shipper.config import nodes, reading
from shipper.config.expansion import Expansion
from shipper.core.component import Paths
from shipper.core.errors import Problem

ENV = {"NAME": "value", "EMPTY": "", "NUMBER": "0123", "DOLLAR": "${env:NAME}", "API_TOKEN": "s3cret-token"}


def expanded(text: str, folder: Path) -> tuple[object, list[Problem], Expansion]:
    composer = reading.Composer(text)
    root = composer.compose()
    assert root is not None
    expansion = Expansion(ENV, Paths(folder, folder))
    problems = expansion.apply(root)
    return nodes.value(root), problems, expansion


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("${env:NAME}", "value"),
        ("x-${env:NAME}-y-${env:NAME}", "x-value-y-value"),
        ("${NAME}", "value"),
        ("${env:NUMBER}", "0123"),
        ("${env:MISSING:-12}", "12"),
        ("${env:MISSING:-}", ""),
        ("${env:MISSING:-a:-b}", "a:-b"),
        ("${env:MISSING:-${env:NAME}}", "value"),
        ("${env:EMPTY}", ""),
        ("${env:EMPTY:-unused}", ""),
        ("$$", "$"),
        ("$${env:NAME}", "${env:NAME}"),
        ("$$$$", "$$"),
        ("cost$", "cost$"),
        ("a$b$c", "a$b$c"),
        ("^foo$", "^foo$"),
        ("${env:DOLLAR}", "${env:NAME}"),
    ],
)
def test_expansions(text: str, meaning: str, tmp_path: Path) -> None:
    """What an expansion brings in is text, and is not expanded again."""
    assert expanded(f"a: '{text}'", tmp_path)[:2] == ({"a": meaning}, [])
    assert expanded(f"a: {text}", tmp_path)[:2] == ({"a": meaning}, [])


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (
            "${env:MISSING}",
            "unset-variable",
            "the variable MISSING is not set and has no default; set it, or write ${env:MISSING:-DEFAULT}",
        ),
        ("${env:NAMES}", "unset-variable", "the variable NAMES is not set (did you mean NAME?)"),
        (
            "${env:}",
            "bad-expansion",
            "not an expansion; write ${env:NAME}, ${env:NAME:-default} or ${file:PATH}, and $$ for a dollar",
        ),
        (
            "${2}",
            "bad-expansion",
            "not an expansion; write ${env:NAME}, ${env:NAME:-default} or ${file:PATH}, and $$ for a dollar",
        ),
        ("${env:NAME", "bad-expansion", "this ${ is never closed by }; write $$ for a dollar"),
        ("${file:absent}", "unreadable-file", "the file absent can't be read: no such file or directory"),
        ("${file:.}", "unreadable-file", "the file . can't be read: is a directory"),
    ],
)
def test_expansions_that_fail_are_all_told(text: str, code: str, message: str, tmp_path: Path) -> None:
    _, problems, _ = expanded(f"- '{text}'\n- x\n- '{text}'", tmp_path)
    assert problems == [Problem((0,), code, message), Problem((2,), code, message)]


def test_a_file_is_trimmed_and_its_content_is_a_secret(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("  hunter22\n\n")
    value, problems, expansion = expanded("a: ${file:token}", tmp_path)
    assert (value, problems) == ({"a": "hunter22"}, [])
    assert expansion.secrets == {"hunter22"}
    assert expansion.files == {tmp_path / "token"}


def test_a_file_beside_the_configuration_is_found(tmp_path: Path) -> None:
    beside = tmp_path / "etc"
    beside.mkdir()
    (beside / "token").write_text("x")
    composer = reading.Composer("a: ${file:token}")
    root = composer.compose()
    assert root is not None
    assert Expansion({}, Paths(tmp_path, beside)).apply(root) == []
    assert nodes.value(root) == {"a": "x"}


@pytest.mark.parametrize(
    ("content", "said"), [(b"\xff\xfe", "is not UTF-8 text"), (b"x" * 2**21, "more than 1 MiB")]
)
def test_files_that_are_no_values_are_refused(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "odd").write_bytes(content)
    _, problems, _ = expanded("a: ${file:odd}", tmp_path)
    assert [problem.code for problem in problems] == ["unreadable-file"]
    assert said in problems[0].message


def test_variables_named_like_secrets_are_secrets(tmp_path: Path) -> None:
    """An organization's name is none: masking it would riddle the log."""
    _, _, expansion = expanded("a: ['Bearer ${env:API_TOKEN}', '${env:NAME}']", tmp_path)
    assert expansion.secrets == {"s3cret-token"}


def test_an_aliased_value_is_expanded_once(tmp_path: Path) -> None:
    value, problems, _ = expanded("a: &a $$$$\nb: *a\nc: &c ${env:MISSING}\nd: *c\n", tmp_path)
    assert value == {"a": "$$", "b": "$$", "c": "${env:MISSING}", "d": "${env:MISSING}"}
    assert [problem.loc for problem in problems] == [("c",)]
