"""`shipper explain`: what each processor does with an event, and why."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from shipper.cli.offline import load_offline_or_exit
from shipper.cli.options import config_option
from shipper.cli.reasons import reasons
from shipper.cli.terminal import safe, safe_json, safe_lines
from shipper.config import Loaded
from shipper.core.clock import SystemClock
from shipper.core.errors import ShipperError
from shipper.core.record import UID, changes
from shipper.service.offline.events import STREAMS, as_record, guess_stream, read_events
from shipper.service.offline.journey import Course, Journey, Step
from shipper.service.offline.preview import Preview, preview
from shipper.wire import jsontext

_EPILOG = """\b
Examples:
  shipper explain -c pipelines.yaml event.json
  grep repo.access page.ndjson | shipper explain -c pipelines.yaml -
"""


class _Events(click.File):
    """The file of events, or standard input, which may be closed."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """What events are read from."""
        try:
            return super().convert(value, param, ctx)
        except RuntimeError:
            self.fail("standard input is closed; name a file, or lead the event in", param, ctx)


@click.command(epilog=_EPILOG)
@config_option
@click.argument("event", type=_Events("rb"))
@click.option(
    "--stream", type=click.Choice(STREAMS), help="What kind of event it is. Default: told by its fields."
)
@click.option("--organization", metavar="LOGIN", help="The organization it is of. Default: what the event says.")
@click.option("--pipeline", metavar="ID", help="One pipeline. Default: all of them.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def explain(  # noqa: PLR0913 - one argument an option
    config: Path, event: Any, *, stream: str | None, organization: str | None, pipeline: str | None, output: str
) -> None:
    """Show the way of an event through the processors, and what each exporter would send.

    EVENT is a file (or -) with one event as GitHub sends it, an array of them, or one a line. Nothing is connected
    to, stored or sent.

    Exit code: 0; 65 the input holds no event, 78 the configuration is wrong.
    """
    loaded = load_offline_or_exit(config)
    if pipeline is not None and pipeline not in loaded.pipelines:
        raise click.BadParameter(f"there are {', '.join(loaded.pipelines)}", param_hint="--pipeline")
    chosen = [pipeline] if pipeline else list(loaded.pipelines)
    try:
        events = read_events(event.read())
        journeys = [
            (name, *_follow(loaded, name, each, stream or guess_stream(each), organization))
            for each in events
            for name in chosen
        ]
    except ShipperError as error:
        click.echo(safe(f"error: {getattr(event, 'name', '-')}: {error}"), err=True)
        sys.exit(os.EX_DATAERR)
    if output == "json":
        found = [_as_json(*each) for each in journeys]
        click.echo(safe_json(found[0] if len(found) == 1 else found))
    else:
        click.echo("\n\n".join("\n".join(_lines(*each)) for each in journeys))


def _follow(
    loaded: Loaded, pipeline: str, event: Any, stream: str, organization: str | None
) -> tuple[Journey, list[Preview]]:
    clock = SystemClock()
    course = Course(loaded, pipeline, clock)
    journey = course.follow(as_record(event, stream, organization, clock.now()))
    exporters = [loaded.exporters[name] for name in loaded.pipelines[pipeline].exporters]
    exported = [course.exported(record) for record in journey.arrived]
    return journey, [preview(part, each) for each in exported for part in exporters]


# For people


def _lines(pipeline: str, journey: Journey, previews: list[Preview]) -> Iterator[str]:
    record = journey.record
    yield safe(f"{pipeline}: {record.event_name} ({record.stream}), uid {record.uid}")
    for step in journey.steps:
        yield ""
        yield from _step(step)
    for shown in previews:
        yield ""
        yield f"=> {shown.exporter} would send ({shown.format})"
        text = safe_json(_parsed(shown.text)) if shown.format in ("otlp_json", "json") else safe_lines(shown.text)
        yield from (f"   {line}" for line in text.split("\n"))


def _step(step: Step) -> Iterator[str]:
    explanation = step.explanation or {}
    yield f"> {step.processor}: {safe(_outcome(step))}"
    yield from (f"    {safe(line)}" for line in _rules(explanation))
    if explanation.get("errors"):
        yield from (f"    breaks its schema at {safe(error)}" for error in explanation["errors"])
    if explanation.get("changed"):
        yield from (f"    {safe(str(part))} changed" for part in explanation["changed"])
    for after in step.after:
        yield from (f"    {safe(line)}" for line in _changed(changes(step.before, after)))


def _outcome(step: Step) -> str:
    rule = (step.explanation or {}).get("rule")
    if step.refusal:
        return f"refused, goes to the dead letters: {step.refusal}"
    if step.dropped:
        return f"dropped by rule {rule}" if rule else "dropped"
    if "tried" in (step.explanation or {}):
        severity = (step.explanation or {}).get("severity")
        return f"{rule} matches: {severity}" if rule else f"no rule matches: {severity}"
    return "changed" if any(changes(step.before, after) for after in step.after) else "nothing changed"


def _rules(explanation: dict[str, Any]) -> Iterator[str]:
    for tried in explanation.get("tried", ()):
        mode = " (shadow: only counted)" if tried["mode"] == "shadow" else ""
        verb = "matches" if tried["matched"] else "does not match"
        yield f"{'+' if tried['matched'] else '-'} {tried['rule']} {verb}{mode}"
        yield from (f"    {reason}" for reason in reasons(tried["because"]))


def _changed(found: dict[str, Any]) -> Iterator[str]:
    for name, value in found.get("set", {}).items():
        yield f"{name} = {value if isinstance(value, str) else jsontext.dumps(value).decode()}"
    yield from (f"{name} removed" for name in found.get("removed", ()))
    if "event_name" in found:
        yield f"event name = {found['event_name']}"
    if "body" in found:
        yield "the body changed"


def _parsed(text: str) -> Any:
    [event] = read_events(text.encode())
    return event


# For programs


def _as_json(pipeline: str, journey: Journey, previews: list[Preview]) -> dict[str, Any]:
    end = journey.dropped or journey.refused
    return {
        "pipeline": pipeline,
        "stream": journey.record.stream,
        "event_name": journey.record.event_name,
        UID: journey.record.uid,
        "result": "dropped" if journey.dropped else "dead_letter" if journey.refused else "shipped",
        "by": end.processor if end else None,
        "rule": journey.rule,
        "severity": journey.arrived[0].severity_text if journey.arrived else None,
        "steps": [
            {
                "processor": step.processor,
                "result": "dropped" if step.dropped else "dead_letter" if step.refusal else "passed",
                "refusal": step.refusal or None,
                "changes": [changes(step.before, after) for after in step.after],
                "explanation": step.explanation,
            }
            for step in journey.steps
        ],
        "exports": [
            {"exporter": shown.exporter, "format": shown.format, "text": shown.text}
            | ({"json": _parsed(shown.text)} if shown.format in ("otlp_json", "json") else {})
            for shown in previews
        ],
    }
