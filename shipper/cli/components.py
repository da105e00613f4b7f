"""`shipper components`: what is built in, with its keys."""

import textwrap
from collections.abc import Iterator, Sequence

import click
import orjson

from shipper.config import catalogue, reference, values
from shipper.config.catalogue import Entry, Key
from shipper.service import registry


def entries(types: Sequence[str] = (), *, plugins: bool = True) -> Iterator[Entry]:
    """What there is to know of these component types, or of all."""
    for kind, name, component in registry.working(plugins=plugins):
        if not types or name in types:
            yield catalogue.describe(kind, name, component, registry.docstring(kind, name))


@click.command(epilog="Example: shipper components syslog")
@click.argument("types", metavar="[TYPE]...", nargs=-1)
@click.option("--output", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True)
@click.option("--builtin", is_flag=True, help="Leave components of other packages out.")
def components(types: Sequence[str], output: str, *, builtin: bool) -> None:
    """List what is built in: every component type with its keys, their types, defaults and meaning."""
    found = list(entries(types, plugins=not builtin))
    missing = set(types) - {entry.type for entry in found}
    if missing:
        known = ", ".join(dict.fromkeys(name for kind in registry.BUILTIN for name in registry.names(kind)))
        raise click.UsageError(f"there is no component of type {', '.join(sorted(missing))}; there are {known}")
    if output == "json":
        click.echo(orjson.dumps([entry.as_dict() for entry in found], option=orjson.OPT_INDENT_2))
    elif output == "markdown":
        click.echo(reference.markdown(found), nl=False)
    else:
        click.echo("\n\n".join(_text(entry) for entry in found))


def _text(entry: Entry) -> str:
    head = f"{entry.kind} {entry.type} ({entry.stability})\n{textwrap.indent(_wrapped(entry.summary), '  ')}"
    return "\n".join([head, *(_key(key) for key in entry.keys)])


def _key(key: Key) -> str:
    default = "required" if key.required else f"default {values.written(key.default)}"
    shown = "" if key.default in ({}, None) and not key.required else f", {default}"
    return f"  {key.key}: {key.type}{shown}\n{textwrap.indent(_wrapped(key.description), '      ')}".rstrip()


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False)
