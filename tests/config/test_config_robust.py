"""Whatever is in the file: a configuration or diagnostics, never a crash, never a secret."""

import re
from pathlib import Path
from typing import Any

import yaml
from config_parts import find, names
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipper.config import Invalid, Loaded, load

SECRET = "hunter2-hunter2"

GOOD = """\
x-tls: &tls {insecure: true, min_version: 1.2}
receivers:
  source:
    organizations: [acme, "other"]
    auth: {token: "${env:TOKEN}"}
    audit_log: {include: web, overlap: 5m}
    alerts:
    page: 10
processors:
  rules:
    rules:
      - {name: a, match: {action: [x, 1, true, null]}, drop: true}
      - name: b
        match: {count: 1.5}
        set: {k: v}
exporters:
  sink: {endpoint: "e:1", headers: {authorization: "Bearer ${env:TOKEN}"}, tls: *tls}
  debug:
service:
  pipelines:
    logs/a: {receivers: [source], processors: [rules], exporters: [sink, debug], dead_letter: [debug]}
  telemetry: {logs: {level: info}, metrics: {endpoint: "127.0.0.1:8888"}}
  admin: false
tests:
  - {name: t, input: {event: {action: x}}, expect: {dropped: true}}
"""

SNIPPETS = [
    *"\t\n :-[]{}&*!|>'\"%@`#,?\\~$<=0é\U0001f600\x00\x07\u2028",
    "null",
    "true",
    "- ",
    "<<: *tls",
    "*tls",
    "&a ",
    "!!int ",
    "!x ",
    "${env:TOKEN}",
    "${env:",
    "${file:/etc/hostname}",
    "${env:TOKEN:-${env:X:-y}}",
    "0x10",
    "1e999",
    ".nan",
    "  ",
    "---\n",
    "? ",
    SECRET,
]

#: A folder that the examples share is as good as one for each.
MANY = settings(
    max_examples=3 * settings.default.max_examples, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
MUTATION = st.tuples(st.integers(0, len(GOOD)), st.integers(0, 12), st.sampled_from(SNIPPETS))


def loaded(text: str, folder: Path) -> Loaded | None:
    """Loads a text; diagnostics must be well formed, sorted and free of secrets."""
    path = folder / "pipelines.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        return load(path, find, {"TOKEN": SECRET}, folder, names=names)
    except Invalid as invalid:
        caught = invalid
    lines = [diagnostic.format().removeprefix(str(path)) for diagnostic in caught.diagnostics]
    assert lines
    for line in lines:
        assert re.fullmatch(r":\d+:\d+: (error|warning)\[[a-z0-9-]+\]: .+", line), line
    places = [(diagnostic.line, diagnostic.column) for diagnostic in caught.diagnostics]
    assert places == sorted(places)
    assert all(line >= 1 and column >= 1 for line, column in places)
    if SECRET not in text:
        assert SECRET not in str(caught)
    return None


def test_the_file_itself_is_good(tmp_path: Path) -> None:
    assert loaded(GOOD, tmp_path)


@given(mutations=st.lists(MUTATION, min_size=1, max_size=4))
@MANY
def test_damaged_files_are_diagnosed(tmp_path: Path, mutations: list[tuple[int, int, str]]) -> None:
    text = GOOD
    for at, removed, put in mutations:
        text = text[:at] + put + text[at + removed :]
    result = loaded(text, tmp_path)
    if result and SECRET not in text.replace("${env:TOKEN}", ""):
        assert SECRET not in repr(result)


@given(order=st.permutations(range(len(GOOD.splitlines()))), kept=st.integers(1, 25))
@MANY
def test_shuffled_lines_are_diagnosed(tmp_path: Path, order: list[int], kept: int) -> None:
    lines = GOOD.splitlines(keepends=True)
    loaded("".join(lines[index] for index in order[:kept]), tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)
KEYS = ["receivers", "processors", "exporters", "extensions", "service", "tests"]


@given(sections=st.dictionaries(st.sampled_from(KEYS), JSON), body=JSON, pipeline=JSON)
@MANY
def test_any_shape_is_diagnosed(tmp_path: Path, sections: dict[str, Any], body: Any, pipeline: Any) -> None:
    """Any JSON in the place of any section, component or pipeline."""
    whole = {
        "receivers": {"source": body},
        "exporters": {"sink": body, "debug": None},
        "service": {"pipelines": {"logs": pipeline}},
        **sections,
    }
    loaded(yaml.safe_dump(whole, allow_unicode=True), tmp_path)
