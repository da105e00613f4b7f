"""`shipper state dead-letter`: records that nobody would take, and giving them once more."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import click

from shipper.cli.offline import load_offline_or_exit
from shipper.cli.options import config_option
from shipper.cli.quiet import quit_with
from shipper.cli.terminal import safe, safe_json
from shipper.config import Loaded
from shipper.config.models import PipelineConfig
from shipper.core.component import Exported
from shipper.core.errors import ShipperError
from shipper.core.journal import DeadLetter
from shipper.journal import inspection
from shipper.journal.lock import in_use
from shipper.service.storage import storage_path
from shipper.service.visits.evidence import moment as written
from shipper.wire import otlp, otlp_json

#: Letters of a reason that a list shows.
_SHORT = 100


@click.group(name="dead-letter")
def dead_letter() -> None:
    """Records that a processor or an exporter refused for good: why, and what to do with them.

    They are kept in storage, whatever their exporters. All of this works while a shipper runs.
    """


def _path(config: Path) -> Path:
    return _storage(load_offline_or_exit(config))


def _storage(loaded: Loaded) -> Path:
    path = storage_path(loaded)
    if path is None:
        quit_with(os.EX_CONFIG, "extensions.storage keeps everything in memory, so there is nothing to look at")
    return path


def _letters(path: Path, pipeline: str | None = None) -> Iterator[DeadLetter]:
    try:
        yield from inspection.dead_letters(path, pipeline)
    except ShipperError as error:
        quit_with(1, str(error))


def _one(path: Path, number: int) -> DeadLetter:
    found = next((letter for letter in _letters(path) if letter.id == number), None)
    if found is None:
        quit_with(1, f"there is no dead letter {number}; see shipper state dead-letter list")
    return found


@dead_letter.command(name="list", epilog="Example: shipper state dead-letter list --output json")
@config_option
@click.option("--pipeline", help="Only those of this pipeline.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def listed(config: Path, pipeline: str | None, output: str) -> None:
    """List dead letters, oldest first: number, time, pipeline, who refused it, id of the record, reason."""
    letters = _letters(_path(config), pipeline)
    if output == "json":
        click.echo(safe_json([_plain(letter) for letter in letters]))
        return
    count = 0
    for letter in letters:
        count += 1
        reason = " ".join(letter.reason.split())
        short = reason if len(reason) <= _SHORT else f"{reason[: _SHORT - 1]}…"
        when = written(letter.time // 1_000_000)
        click.echo(safe(f"{letter.id}  {when}  {letter.pipeline}  {letter.component}  {letter.uid}  {short}"))
    click.echo(f"{count} dead letters", err=True)


@dead_letter.command(epilog="Example: shipper state dead-letter show 7")
@config_option
@click.argument("number", type=int, metavar="ID")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def show(config: Path, number: int, output: str) -> None:
    """Show one dead letter: reason, answer, time, attempts, and the record."""
    letter = _one(_path(config), number)
    records = [_record(each) for each in otlp.decode(letter.payload)]
    whole = {**_plain(letter), "record": records[0] if len(records) == 1 else records}
    if output == "json":
        click.echo(safe_json(whole))
        return
    for key, value in whole.items():
        if key != "record" and value != "":
            click.echo(f"{key}: {safe(str(value))}")
    click.echo("record:")
    click.echo(safe_json(whole["record"]))


@dead_letter.command(epilog="Example: shipper state dead-letter retry 7 8")
@config_option
@click.argument("numbers", type=int, nargs=-1, metavar="[ID]...")
@click.option("--all", "everything", is_flag=True, help="Every one there is.")
def retry(config: Path, numbers: tuple[int, ...], *, everything: bool) -> None:
    """Give dead letters once more to who refused them.

    A shipper that runs does it within a second, otherwise the next one when it starts. Those of a pipeline or an
    exporter that the configuration no longer has stay.
    """
    if bool(numbers) == everything:
        raise click.UsageError("give the numbers of dead letters, or --all")
    loaded = load_offline_or_exit(config)
    path = _storage(loaded)
    there = {letter.id: letter for letter in _letters(path)}
    absent = sorted(set(numbers) - there.keys())
    if absent:
        many = ", ".join(map(str, absent))
        quit_with(1, f"there is no dead letter {many}; see shipper state dead-letter list")
    chosen = set(there) if everything else set(numbers)
    stuck = {number for number in chosen if not _has_taker(there[number], loaded.pipelines)}
    if stuck:
        click.echo(safe(f"{len(stuck)} stay: {_who(there[number] for number in stuck)}"), err=True)
        chosen -= stuck
        if not chosen:
            quit_with(1, "none of them can be given again; name what refused them as it was named then")
    try:
        if chosen:
            inspection.request_retry(path, chosen)
        running = in_use(path)
    except ShipperError as error:
        quit_with(1, str(error))
    when = "by the shipper that runs, within a second" if running else "by the shipper, when it starts"
    click.echo(f"{len(chosen)} dead letters are given again {when}" if chosen else "there are no dead letters")


@dead_letter.command(epilog="Example: shipper state dead-letter export refused.jsonl")
@config_option
@click.argument("file", type=click.File("wb", lazy=True), default="-")
@click.option("--pipeline", help="Only those of this pipeline.")
def export(config: Path, file: BinaryIO, pipeline: str | None) -> None:
    """Write the records of the dead letters to FILE (or stdout) as OTLP/JSON, one a line; they also stay here."""
    count = 0
    for letter in _letters(_path(config), pipeline):
        file.write(otlp_json.encode(otlp.decode(letter.payload)) + b"\n")
        count += 1
    file.flush()
    click.echo(f"{count} dead letters exported", err=True)


def _has_taker(letter: DeadLetter, pipelines: Mapping[str, PipelineConfig]) -> bool:
    """Whether the configuration still has who would take it."""
    pipeline = pipelines.get(letter.pipeline)
    if pipeline is None:
        return False
    return not letter.exporter or letter.component in (*pipeline.exporters, *pipeline.dead_letter)


def _who(letters: Iterable[DeadLetter]) -> str:
    named = sorted({f"{each.component} in {each.pipeline}" for each in letters})
    return f"the configuration no longer has {', '.join(named)}"


def _plain(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "time": written(letter.time // 1_000_000),
        "pipeline": letter.pipeline,
        "component": letter.component,
        "refused_by": "exporter" if letter.exporter else "processor",
        "uid": letter.uid,
        "reason": letter.reason,
        "answer": letter.answer,
        "attempts": letter.attempts,
    }


def _record(exported: Exported) -> dict[str, Any]:
    record = exported.record
    return {
        "uid": record.uid,
        "event_name": record.event_name,
        "timestamp": written(record.timestamp // 1_000_000),
        "severity": record.severity_text,
        "resource": exported.resource,
        "attributes": record.attributes,
        "body": record.body,
    }
