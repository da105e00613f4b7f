"""The pipelines as a picture, from the configuration as it is wired."""

import pytest

from shipper.config import load
from shipper.service import registry
from shipper.service.observe import graph

FILE = """
receivers:
  github: {organizations: [acme-corp], auth: {token: t}}
processors:
  normalize:
  rules/severity:
exporters:
  debug:
  syslog: {endpoint: siem.example.com}
  file/dead: {path: dead.jsonl}
service:
  pipelines:
    logs/github:
      receivers: [github]
      processors: [normalize, rules/severity]
      exporters: [debug, syslog]
      dead_letter: [file/dead]
"""


@pytest.fixture
def loaded(tmp_path):
    path = tmp_path / "pipelines.yaml"
    path.write_text(FILE)
    return load(path, registry.find, {}, tmp_path)


def test_a_pipeline_is_one_line(loaded):
    assert graph.text(loaded) == (
        "logs/github: github(audit_log, code_scanning) > normalize > rules/severity => journal(sqlite)"
        " => debug | syslog [dead letters => file/dead]\n"
    )


def test_mermaid_tells_memory_from_the_durable_hand_over(loaded):
    assert graph.mermaid(loaded) == (
        "flowchart LR\n"
        '  n0["github(audit_log, code_scanning)"]\n'
        '  n1["normalize of logs/github"]\n'
        '  n2["rules/severity of logs/github"]\n'
        '  n3["journal of logs/github"]\n'
        '  n4["debug"]\n'
        '  n5["syslog"]\n'
        '  n6["file/dead (dead letters)"]\n'
        "  n0 --> n1\n"
        "  n1 --> n2\n"
        "  n2 ==> n3\n"
        "  n3 ==> n4\n"
        "  n3 ==> n5\n"
        "  n3 ==> n6\n"
    )


def test_dot_is_a_graph(loaded):
    assert graph.dot(loaded).startswith(
        'digraph pipelines {\n  rankdir=LR;\n  "github(audit_log, code_scanning)" -> '
    )
