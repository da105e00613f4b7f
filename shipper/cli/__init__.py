"""The `shipper` command. A subcommand's module is imported when it is called, so that `run` imports little."""

import importlib
from typing import Final, cast

import click

from shipper import __version__
from shipper.cli import early

#: Every subcommand, in the order in which people meet them.
COMMANDS: Final[dict[str, str]] = {
    "init": "shipper.cli.init:init",
    "run": "shipper.cli.run:run",
    "validate": "shipper.cli.validate:validate",
    "check": "shipper.cli.check:check",
    "test": "shipper.cli.test:test",
    "explain": "shipper.cli.explain:explain",
    "tap": "shipper.cli.tap:tap",
    "top": "shipper.cli.top:top",
    "backfill": "shipper.cli.backfill:backfill",
    "reconcile": "shipper.cli.reconcile:reconcile",
    "state": "shipper.cli.state:state",
    "graph": "shipper.cli.graph:graph",
    "simulate": "shipper.cli.simulate:simulate",
    "config": "shipper.cli.config:config",
    "components": "shipper.cli.components:components",
    "schema": "shipper.cli.schema:command",
    "health": "shipper.cli.health:health",
    "k8s": "shipper.cli.k8s:k8s",
}


class _Lazy(click.Group):
    """A group that imports a subcommand only when it is used or listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        reference = COMMANDS.get(cmd_name)
        if reference is None:
            return None
        if cmd_name == "run":
            early.listen()
        module, _, attribute = reference.partition(":")
        return cast("click.Command", getattr(importlib.import_module(module), attribute))


@click.command(
    cls=_Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Start with: shipper validate -c pipelines.yaml",
)
@click.version_option(__version__, prog_name="shipper")
def main() -> None:
    """Ship GitHub audit logs and security alerts to any OpenTelemetry or syslog backend."""
