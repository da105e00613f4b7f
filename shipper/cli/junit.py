"""Results of tests as JUnit XML, which every CI system shows."""

from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from shipper.cli.terminal import safe
from shipper.service.offline.trial import Result


def junit(results: Sequence[Result]) -> str:
    """One suite with a case a test; what XML can't hold is escaped."""
    failed = sum(not result.passed for result in results)
    cases = "".join(_case(result) for result in results)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<testsuites tests="{len(results)}" failures="{failed}">\n'
        f'  <testsuite name="shipper test" tests="{len(results)}" failures="{failed}" errors="0" skipped="0">\n'
        f"{cases}"
        "  </testsuite>\n"
        "</testsuites>\n"
    )


def _case(result: Result) -> str:
    case = result.case
    names = f"classname={_quoted(case.file)} name={_quoted(case.test.name)}"
    head = f'    <testcase {names} file={_quoted(case.file)} line="{case.line}" time="0"'
    if result.passed:
        return f"{head}/>\n"
    lines = []
    for failure in result.failures:
        lines.append(f"event {failure.event}: {failure.what}")
        lines += failure.diff or (f"expected  {failure.expected}", f"found     {failure.found}")
    message = ", ".join(dict.fromkeys(failure.what for failure in result.failures))
    text = escape("\n".join(map(safe, lines)))
    return f"{head}>\n      <failure message={_quoted(message)}>{text}</failure>\n    </testcase>\n"


def _quoted(text: str) -> str:
    return quoteattr(safe(text))
