"""`shipper tap`: live records of a running shipper, and what each stage changed."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import orjson

from shipper.cli.admin import address, lines, url_option
from shipper.cli.options import config_option
from shipper.cli.terminal import safe, safe_json
from shipper.core.units import format_duration, parse_duration

_EPILOG = """\b
Examples:
  shipper tap -c pipelines.yaml
  shipper tap --stage rules/severity --limit 20
  shipper tap --url http://127.0.0.1:13133 --duration 1m --output json
"""


@click.command(epilog=_EPILOG)
@config_option
@url_option
@click.option("--pipeline", metavar="ID", help="One pipeline. Default: all of them.")
@click.option("--stage", metavar="ID", help="One processor, or `received`. Default: all, where something changed.")
@click.option("--limit", type=click.IntRange(1), help="End after so many lines.")
@click.option("--duration", metavar="TIME", help="End after so long, such as 30s.")
@click.option("--body", is_flag=True, help="Show the events, too. They may be sensitive.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def tap(config: Path, url: str | None, *, body: bool, output: str, **filters: Any) -> None:
    """Watch live records at every stage of a running shipper, with what each stage changed.

    Asks its admin endpoint, on the same machine only. Nothing waits for whoever watches: what comes too fast is
    left out, and its number is said. Ctrl-C ends it.

    Exit code: 0; 69 the shipper does not answer.
    """
    parameters = {name: str(value) for name, value in filters.items() if value is not None}
    if "duration" in parameters:
        parameters["duration"] = _duration(parameters["duration"])
    base = address(config, url)
    with suppress(KeyboardInterrupt):
        for line in lines(base, "/tap", parameters):
            if output == "json":
                click.echo(safe(line.decode(errors="replace").rstrip("\n")))
                continue
            for shown in _text(orjson.loads(line), everything="stage" in parameters, body=body):
                click.echo(shown)


def _duration(text: str) -> str:
    try:
        return format_duration(parse_duration(text))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--duration") from None


def _text(line: dict[str, Any], *, everything: bool, body: bool) -> Iterator[str]:
    if "missed" in line:
        yield f"… {line['missed']} records came too fast to be shown"
        return
    changes = [*_changes(line.get("changes", {}))]
    if not (everything or changes or line["stage"] == "received" or line["result"] != "passed"):
        return
    time = datetime.fromtimestamp(line["time"] / 1e9, UTC).astimezone()
    head = f"{time:%H:%M:%S}  {line['pipeline']}  {line['stage']:<16}  {line['event_name']}"
    yield safe("  ".join([head, *_end(line), *changes]))
    if body and "body" in line:
        yield from (f"    {part}" for part in safe_json(line["body"]).split("\n"))


def _end(line: dict[str, Any]) -> Iterator[str]:
    if line["result"] == "dropped":
        yield f"dropped by rule {line['rule']}" if line.get("rule") else "dropped"
    elif line["result"] == "dead_letter":
        yield f"to the dead letters: {line.get('reason', '')}"


def _changes(changes: dict[str, Any]) -> Iterator[str]:
    for name, value in changes.get("set", {}).items():
        yield f"+{name}={value if isinstance(value, str) else orjson.dumps(value).decode()}"
    yield from (f"-{name}" for name in changes.get("removed", ()))
    if changes.get("body"):
        yield "~body"
