"""`shipper validate`, `config`, `components`, `schema`, as they are called."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import yaml
from click.testing import CliRunner, Result

from shipper.cli import COMMANDS, main

GOOD = """
receivers:
  github:
    organizations: [acme]
    auth: {token: "${env:TOKEN}"}
processors:
  rules/severity:
exporters:
  debug:
  otlphttp: {endpoint: "http://localhost:4318", headers: {authorization: "Bearer ${env:TOKEN}", x-tenant: acme}}
extensions:
  storage: {type: memory}
service:
  pipelines:
    logs/github: {receivers: [github], processors: [rules/severity], exporters: [debug, otlphttp]}
"""
WARNING = GOOD.replace("  debug:\n", "  debug:\n  file/unused: {path: x}\n")
BAD = GOOD.replace("organizations:", "organisations:").replace("type: memory", "type: disk")
TOLD = (
    "pipelines.yaml:4:5: error[unknown-key]: receivers.github.organisations: unknown key"
    " (did you mean organizations?)\n"
    "pipelines.yaml:12:19: error[unknown-value]: extensions.storage.type: disk is not known here;"
    " expected sqlite or memory\n"
)
SECRET = "ghp_0123456789"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOKEN", SECRET)


def call(*arguments: str, text: str | None = None) -> Result:
    if text is not None:
        Path("pipelines.yaml").write_text(text)
    return CliRunner().invoke(main, list(arguments))


def test_validate_shows_the_pipelines_of_a_good_file() -> None:
    result = call("validate", text=GOOD)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[-1] == "pipelines.yaml: valid"
    assert "rules/severity => journal(memory) => debug | otlphttp" in result.stdout


def test_validate_tells_everything_on_stderr_with_exit_code_78() -> None:
    result = call("validate", text=BAD)
    assert (result.exit_code, result.stdout, result.stderr) == (78, "", TOLD)


def test_validate_names_the_file_as_it_was_given(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "my.yaml").write_text(BAD)
    assert call("validate", "-c", "etc/my.yaml").stderr.startswith("etc/my.yaml:")
    assert call("validate", "--config", str(tmp_path / "etc" / "my.yaml")).stderr.startswith(
        f"{tmp_path}/etc/my.yaml:"
    )


def test_warnings_do_not_fail() -> None:
    result = call("validate", text=WARNING)
    assert result.exit_code == 0
    assert result.stderr == (
        "pipelines.yaml:10:3: warning[unused-component]: exporters.file/unused: no pipeline uses it;"
        " name it in service.pipelines or remove it\n"
    )


@pytest.mark.parametrize("command", ["validate", "config", "graph", "run"])
def test_a_file_that_is_not_there_is_exit_code_78(command: str) -> None:
    result = call(command, "-c", "absent.yaml")
    assert result.exit_code == 78
    assert result.stderr == (
        "absent.yaml:1:1: error[unreadable-file]: the configuration can't be read: no such file or directory; "
        "`shipper init` writes one, `-c FILE` names another\n"
    )


def test_validate_as_json() -> None:
    result = call("validate", "--output", "json", text=BAD)
    assert result.exit_code == 78
    assert json.loads(result.stdout)[-1] == {
        "file": "pipelines.yaml",
        "line": 12,
        "column": 19,
        "severity": "error",
        "code": "unknown-value",
        "path": "extensions.storage.type",
        "message": "disk is not known here; expected sqlite or memory",
    }
    assert json.loads(call("validate", "--output", "json", text=GOOD).stdout) == []


def test_validate_as_annotations_of_a_pull_request() -> None:
    result = call("validate", "--output", "github", text=BAD)
    assert result.stdout.splitlines()[-1] == (
        "::error file=pipelines.yaml,line=12,col=19,title=unknown-value"
        "::extensions.storage.type: disk is not known here; expected sqlite or memory"
    )


def test_an_annotation_can_not_be_forged() -> None:
    """A line break in a key must not start a workflow command of its own."""
    text = GOOD.replace("  storage:", '  "x\\n::error::forged%": {}\n  storage:')
    for output in ("github", "text"):
        result = call("validate", "--output", output, text=text)
        assert not [line for line in result.output.splitlines() if line.startswith("::error::")]


def test_validate_as_sarif() -> None:
    result = call("validate", "--output", "sarif", text=WARNING)
    assert result.exit_code == 0
    run: Any = json.loads(result.stdout)["runs"][0]
    assert run["tool"]["driver"]["rules"] == [
        {"id": "unused-component", "helpUri": "docs/errors.md#unused-component"}
    ]
    assert run["results"] == [
        {
            "ruleId": "unused-component",
            "level": "warning",
            "message": {
                "text": "exporters.file/unused: no pipeline uses it; name it in service.pipelines or remove it"
            },
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": "pipelines.yaml"},
                        "region": {"startLine": 10, "startColumn": 3},
                    }
                }
            ],
        }
    ]


def test_config_fills_in_defaults_and_masks_secrets() -> None:
    result = call("config", text=GOOD)
    assert result.exit_code == 0
    assert SECRET not in result.output
    shown = yaml.safe_load(result.stdout)
    assert shown["receivers"]["github"]["auth"]["token"] == "***"
    assert shown["receivers"]["github"]["poll_interval"] == "5m"
    assert shown["receivers"]["github"]["organizations"] == ["acme"]
    assert shown["exporters"]["otlphttp"]["headers"] == {"authorization": "***", "x-tenant": "***"}
    assert shown["exporters"]["otlphttp"]["batch"]["max_bytes"] == "4MiB"
    assert shown["service"]["admin"] == {"endpoint": "127.0.0.1:13133"}
    assert json.loads(call("config", "--output", "json").stdout) == shown


def test_config_prints_a_configuration() -> None:
    """What is printed means the same when it is loaded again."""
    printed = call("config", text=GOOD).stdout
    again = call("config", text=printed.replace("'***'", "'${env:TOKEN}'"))
    assert (again.exit_code, again.stdout) == (0, printed)


def test_components_lists_what_is_built_in() -> None:
    listed: Any = json.loads(call("components", "--output", "json").stdout)
    assert [(entry["kind"], entry["type"]) for entry in listed] == [
        ("receiver", "github"),
        ("processor", "normalize"),
        ("processor", "rules"),
        ("processor", "schema"),
        ("processor", "redact"),
        ("exporter", "otlp"),
        ("exporter", "otlphttp"),
        ("exporter", "syslog"),
        ("exporter", "file"),
        ("exporter", "debug"),
    ]
    keys = {key["key"]: key for entry in listed for key in entry["keys"] if entry["type"] == "github"}
    assert keys["streams.audit_log.overlap"] == {
        "key": "streams.audit_log.overlap",
        "type": "duration",
        "required": False,
        "default": "10m",
        "description": "How late an event may turn up behind its own time and still be shipped.",
    }


def test_components_tells_of_one_type() -> None:
    text = call("components", "syslog").stdout
    assert text.startswith("exporter syslog (")
    assert "  endpoint: text, required\n" in text
    assert "receiver github" not in text


def test_components_knows_no_others() -> None:
    result = call("components", "sislog")
    assert result.exit_code == 2
    assert "there is no component of type sislog; there are github, " in result.stderr


def test_schema_is_a_json_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(call("schema").stdout))


def leaves(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from leaves(command, *path, name)
        else:
            yield (*path, name)


@pytest.mark.parametrize("command", list(leaves(main)), ids=" ".join)
def test_every_command_has_help_with_an_example(command: tuple[str, ...]) -> None:
    result = call(*command, "--help")
    assert result.exit_code == 0
    assert f"shipper {' '.join(command)}" in result.stdout.partition("Options:")[2]


def test_the_command_lists_its_commands() -> None:
    result = call("--help")
    assert result.exit_code == 0
    assert all(f"\n  {command} " in result.stdout for command in COMMANDS)


def test_the_list_of_commands_says_what_their_own_help_begins_with() -> None:
    own = {name: main.get_command(click.Context(main), name) for name in COMMANDS}
    said = {name: str(command and command.help).replace("\n", " ") for name, command in own.items()}
    assert {name: said[name][: len(what)] for name, what in COMMANDS.items()} == COMMANDS


@pytest.mark.parametrize(
    ("arguments", "variables"),
    [
        (["--help"], {}),
        ([], {"_SHIPPER_COMPLETE": "bash_complete", "COMP_WORDS": "shipper va", "COMP_CWORD": "1"}),
    ],
    ids=["help", "completion"],
)
def test_commands_are_listed_and_completed_without_importing_them(
    arguments: list[str], variables: dict[str, str]
) -> None:
    """Nobody waits a second for a TAB."""
    program = f"""
import atexit, sys
from shipper.cli import main
atexit.register(lambda: print(*sys.modules))
main({arguments}, prog_name="shipper")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ | variables
    )
    listed, _, loaded = done.stdout.rstrip().rpartition("\n")
    assert "validate" in listed
    assert not {"pydantic", "aiohttp", "shipper.cli.validate"} & set(loaded.split())


@pytest.mark.parametrize(
    ("command", "absent"),
    [
        (
            "validate",
            ["shipper.simulator", "shipper.exporters", "shipper.receivers", "grpc", "rich", "jsonschema"],
        ),
        ("run", ["shipper.net.kubernetes", "shipper.net.oneway", "opentelemetry", "cryptography", "jwt"]),
    ],
)
def test_a_command_imports_no_other_and_nothing_that_no_configuration_has_named(
    command: str, absent: list[str]
) -> None:
    """`run` starts quickly and stays small."""
    program = f"import sys, shipper.cli, shipper.cli.{command}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not set(absent) & set(loaded)


def test_colours_are_for_terminals_only() -> None:
    Path("pipelines.yaml").write_text(BAD)
    command = [sys.executable, "-m", "shipper", "validate"]
    piped = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (piped.returncode, "\033" in piped.stderr) == (78, False)
    ours, theirs = os.openpty()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs) as process:
        os.close(theirs)
        shown = os.read(ours, 65536)
        process.wait()
    os.close(ours)
    assert b"\033[31;1merror[" in shown


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_device_is_said_in_one_line() -> None:
    """What is printed to it is lost; no traceback tells so."""
    command = [sys.executable, "-m", "shipper", "schema", "--builtin"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (
        1,
        "Error: can't write the output: No space left on device; make room for it\n",
    )


def test_a_misspelt_command_is_answered_with_the_nearest(shipper):
    result = shipper("validte")
    assert result.exit_code == 2
    assert "No such command 'validte' (did you mean validate?)." in result.stderr
    assert "No such command 'frobnicate'." in shipper("frobnicate").stderr
