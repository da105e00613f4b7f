"""`shipper schema`: the JSON Schema of a configuration file."""

import click
import orjson

from shipper.config import json_schema
from shipper.service import registry


def text(*, plugins: bool) -> str:
    """The JSON Schema of files with our components, and those of other packages where they are wanted."""
    types: json_schema.Types = {kind: {} for kind in registry.BUILTIN}
    for kind, name, component in registry.working(plugins=plugins):
        types[kind][name] = component, registry.docstring(kind, name)
    return orjson.dumps(json_schema.schema(types), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


@click.command(epilog="Example: shipper schema > schemas/pipelines.schema.json")
@click.option("--builtin", is_flag=True, help="Leave components of other packages out.")
def schema(*, builtin: bool) -> None:
    """Print the JSON Schema of a configuration file, for editors.

    An editor with YAML support finds it by the file's first line, as in pipelines.yaml.
    """
    click.echo(text(plugins=not builtin), nl=False)
