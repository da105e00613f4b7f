"""`shipper graph`: the pipelines as a picture."""

from pathlib import Path

import click

from shipper.cli.offline import load_offline_or_exit
from shipper.cli.options import config_option
from shipper.service.observe import graph as pictures


@click.command(epilog="Example: shipper graph -c pipelines.yaml --output mermaid")
@config_option
@click.option("--output", type=click.Choice(["text", "mermaid", "dot"]), default="text", show_default=True)
def graph(config: Path, output: str) -> None:
    """Print the pipelines as text, a mermaid flowchart or a Graphviz graph."""
    draw = {"text": pictures.text, "mermaid": pictures.mermaid, "dot": pictures.dot}[output]
    click.echo(draw(load_offline_or_exit(config)), nl=False)
