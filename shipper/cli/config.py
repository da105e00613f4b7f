"""`shipper config`: the configuration as it is understood."""

from pathlib import Path

import click
import orjson
import yaml

from shipper.cli.options import config_option, load_or_exit
from shipper.config.effective import effective


@click.command(epilog="Example: shipper config -c pipelines.yaml --output json")
@config_option
@click.option("--output", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True)
def config(config: Path, output: str) -> None:
    """Print the effective configuration: defaults filled in, secrets masked."""
    whole = effective(load_or_exit(config))
    if output == "json":
        click.echo(orjson.dumps(whole, option=orjson.OPT_INDENT_2))
    else:
        click.echo(yaml.safe_dump(whole, sort_keys=False, allow_unicode=True, width=110), nl=False)
