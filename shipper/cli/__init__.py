"""The `shipper` command. A subcommand's module is imported when it is called, so that `run` imports little."""

import errno
import importlib
from typing import Any, Final, cast

import click
from click.shell_completion import CompletionItem

from shipper import __version__
from shipper.cli import early

#: Every subcommand, in the order in which people meet them, and what it does: how its own help begins.
COMMANDS: Final[dict[str, str]] = {
    "init": "Write a commented configuration for a source and a backend, which validates at once.",
    "run": "Run the pipelines.",
    "validate": "Tell everything that is wrong with a configuration.",
    "check": "Connect to GitHub, every exporter's endpoint and the storage, and tell what works.",
    "test": "Run the tests of a configuration, and of FILES beside it.",
    "explain": "Show the way of an event through the processors, and what each exporter would send.",
    "tap": "Watch live records at every stage of a running shipper, with what each stage changed.",
    "top": "Watch the rates, queues, rules and quotas of a running shipper.",
    "backfill": "Ship a past period once, through the configured pipelines.",
    "reconcile": "List a period again and prove that each of its events was delivered.",
    "state": "Look into storage, also while a shipper runs; move checkpoints; deal with dead letters.",
    "graph": "Print the pipelines as text, a mermaid flowchart or a Graphviz graph.",
    "simulate": "Simulate a source or a backend on localhost, for trials and tests.",
    "config": "Print the effective configuration: defaults filled in, secrets masked.",
    "components": "List what is built in: every component type with its keys, their types, defaults and meaning.",
    "schema": "Print the JSON Schema of a configuration file, for editors.",
    "health": "Ask a running shipper how it is, and print its answer.",
    "k8s": "Run beside a workload in Kubernetes.",
}

#: What a device says that takes no more.
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

_EPILOG: Final = """\b
Start with:
  shipper init                                      # writes pipelines.yaml
  shipper simulate github --port 0 -- shipper run   # runs it on a simulated organization
Completion of commands in bash (zsh, fish):
  eval "$(_SHIPPER_COMPLETE=bash_source shipper)"
"""


class _Lazy(click.Group):
    """A group that imports a subcommand only when it is used: listing and completing them take no time."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a subcommand; a device that takes no more of what it prints is said in one line."""
        try:
            return super().invoke(ctx)
        except OSError as error:
            if error.filename or error.errno not in _FULL:
                raise
            raise click.ClickException(f"can't write the output: {error.strerror}; make room for it") from error

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        if cmd_name == "run":
            early.listen()
        return cast("click.Command", getattr(importlib.import_module(f"shipper.cli.{cmd_name}"), cmd_name))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The subcommand; one that there is not, with the one that was probably meant."""
        if args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            from shipper.config.suggestions import suggest  # noqa: PLC0415 - only where a name is wrong

            ctx.fail(f"No such command {args[0]!r}{suggest(args[0], COMMANDS)}.")
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        return list(COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        begun = [CompletionItem(name, help=what) for name, what in COMMANDS.items() if name.startswith(incomplete)]
        return begun + click.Command.shell_complete(self, ctx, incomplete)


@click.command(
    cls=_Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=_EPILOG,
)
@click.version_option(__version__, prog_name="shipper")
def main() -> None:
    """Ship GitHub audit logs and security alerts to any OpenTelemetry or syslog backend."""
