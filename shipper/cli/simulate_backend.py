"""`shipper simulate backend`: the other end of a trial."""

import asyncio
import signal

import click

from shipper.net.server import Listener, ListenError
from shipper.simulator.backend import DEFAULT_PORT, CountingBackend


@click.command(epilog="Example: shipper simulate backend --port 4318")
@click.option(
    "--port", default=DEFAULT_PORT, show_default=True, type=click.IntRange(0, 65535), help="0: a free one."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
def backend(port: int, host: str) -> None:
    """An OTLP/HTTP backend on localhost that counts the records it gets, and the distinct ones among them.

    Stop it and start it again to see that nothing is lost. Ctrl-C ends it.
    """
    try:
        asyncio.run(_serve(f"{host}:{port}"))
    except ListenError as error:
        raise click.ClickException(f"{error}; --port chooses another") from error


async def _serve(endpoint: str) -> None:
    def tell(records: int, distinct: int) -> None:
        click.echo(f"{records} record{'' if records == 1 else 's'}; {distinct} distinct ones so far")

    stopped = stop_asked()
    listener = Listener(CountingBackend(tell).app(), endpoint)
    await listener.start()
    click.echo(f"http://{listener.host}:{listener.port}  takes OTLP at /v1/logs")
    await stopped.wait()
    await listener.close()


def stop_asked() -> asyncio.Event:
    """Is set at SIGINT and SIGTERM, from now on."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped
