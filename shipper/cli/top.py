"""`shipper top`: what a running shipper takes, sends and keeps waiting, with rates."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from shipper.cli.admin import address, get, url_option
from shipper.cli.options import config_option
from shipper.cli.terminal import safe, safe_json
from shipper.cli.times import duration
from shipper.core.journal import is_retry

#: Rules that are shown, the most frequent ones.
_RULES = 12


@click.command(epilog="Example: shipper top --url http://127.0.0.1:13133 --once")
@config_option
@url_option
@click.option("--interval", type=duration, default="1s", show_default=True, help="How often it is asked.")
@click.option("--once", is_flag=True, help="Show it once, without rates. The default where nobody looks.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def top(config: Path, url: str | None, *, interval: float, once: bool, output: str) -> None:
    """Watch the rates, queues, rules and quotas of a running shipper. Ctrl-C ends it.

    Exit code: 0; 69 the shipper does not answer.
    """
    base = address(config, url)
    found = get(base, "/status")
    if output == "json":
        click.echo(safe_json(found))
    elif once or not sys.stdout.isatty():
        Console(width=None if sys.stdout.isatty() else 120).print(picture(found, {}))
    else:
        with suppress(KeyboardInterrupt):
            _watch(base, found, max(interval, 0.1))


def _watch(base: str, found: dict[str, Any], interval: float) -> None:
    then = time.monotonic()
    before = _counts(found)
    with Live(picture(found, {}), screen=True, auto_refresh=False) as live:
        while True:
            time.sleep(interval)
            found, now = get(base, "/status"), time.monotonic()
            counts = _counts(found)
            rates = {key: (value - before.get(key, value)) / (now - then) for key, value in counts.items()}
            live.update(picture(found, rates), refresh=True)
            before, then = counts, now


def _counts(found: dict[str, Any]) -> dict[tuple[str, str], float]:
    """Everything that only grows, by kind and name."""
    counts = {("receiver", name): values["accepted"] for name, values in found.get("receivers", {}).items()}
    counts |= {("exporter", each["exporter"]): each["sent"] for each in found.get("exporters", ())}
    counts |= {("rule", name): value for name, value in found.get("rules", {}).items()}
    return counts | {("dropped", name): value for name, value in found.get("dropped", {}).items()}


def picture(found: dict[str, Any], rates: Mapping[tuple[str, str], float]) -> Group:
    """All of it as tables."""
    return Group(*_tables(found, rates))


def _tables(found: dict[str, Any], rates: Mapping[tuple[str, str], float]) -> Iterator[Table | Text]:
    journal = found.get("journal", {})
    used, capacity = (int(journal.get(name, 0)) for name in ("bytes", "capacity_bytes"))
    dead = journal.get("dead_letters", 0)
    memory = f"{found.get('memory_bytes', 0) / 2**20:.0f} MiB of memory"
    storage = f"journal {used / 2**20:.1f} of {capacity / 2**20:.0f} MiB"
    yield Text(f"shipper {found.get('version', '')}  {memory}  {storage}  {dead} dead letters")
    for name, line in found.get("pipelines", {}).items():
        yield Text(safe(f"{name}: {line}"))
    yield _table(
        ("receiver", "accepted", "a second", "refused"),
        (
            (name, values["accepted"], _rate(rates, "receiver", name), values["refused"])
            for name, values in found.get("receivers", {}).items()
        ),
    )
    yield _table(
        ("exporter", "log", "sent", "a second", "waiting", "failed"),
        (
            (each["exporter"], each["log"], each["sent"], rate, each["waiting"], each["failed"])
            for each in found.get("exporters", ())
            if each["waiting"] or not is_retry(each["log"])
            for rate in [_rate(rates, "exporter", each["exporter"])]
        ),
    )
    hits = sorted(found.get("rules", {}).items(), key=lambda item: -item[1])[:_RULES]
    yield _table(
        ("rule", "hits", "a second"), ((name, hit, _rate(rates, "rule", name)) for name, hit in hits if hit)
    )
    dropped = found.get("dropped", {}).items()
    yield _table(
        ("dropped by", "records", "a second"), ((n, v, _rate(rates, "dropped", n)) for n, v in dropped if v)
    )
    yield _table(("quota", "calls left"), found.get("rate_limit_remaining", {}).items())
    unwell = [each for each in found.get("components", ()) if each["status"] in ("failing", "blocked")]
    yield _table(
        ("trouble", "part", "since", "why"),
        ((each["component"], each.get("part", ""), each["since"], each.get("error", "")) for each in unwell),
    )


def _table(heads: tuple[str, ...], rows: Any) -> Table | Text:
    """A table, or nothing where there are no rows."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0), title=" ")
    for place, head in enumerate(heads):
        numeric = place > 0 and head not in ("log", "part", "since", "why")
        table.add_column(head, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    return table if table.row_count else Text("")


def _cell(value: Any) -> str:
    return f"{value:,.0f}" if isinstance(value, (int, float)) else safe(str(value))


def _rate(rates: Mapping[tuple[str, str], float], kind: str, name: str) -> str:
    rate = rates.get((kind, name))
    return "" if rate is None else f"{rate:,.1f}"
