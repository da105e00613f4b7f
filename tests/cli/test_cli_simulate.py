"""`shipper simulate`: a source on localhost."""

import os
import signal

import click


def test_stopping_it_as_soon_as_it_has_said_its_address_is_no_failure(shipper, monkeypatch):
    """Whoever waits for the line may be quicker than the program."""
    said = click.echo

    def say_and_be_stopped(*arguments, **options):
        said(*arguments, **options)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("shipper.cli.simulate.click.echo", say_and_be_stopped)
    result = shipper("simulate", "github", "--port", "0")
    assert result.exit_code == 0, result.output
