"""A command beside the simulator: what it is told, and how it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from shipper.simulator import Options
from shipper.simulator.trial import environment

PROGRAM = "import sys; sys.argv[0] = 'shipper'; from shipper.cli.simulate import simulate; simulate()"

ASK = """
import json, os, urllib.request
url = os.environ["GITHUB_API_URL"] + "/orgs/" + os.environ["GITHUB_ORG"] + "/audit-log"
headers = {"Authorization": "Bearer " + os.environ["GITHUB_TOKEN"]}
with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
    stored = os.path.isdir(os.path.dirname(os.environ["SHIPPER_STORAGE"]))
    print(len(json.load(answer)), os.environ["POLL_INTERVAL"], stored)
"""

DRAIN = """
import signal, sys
caught = []
signal.signal(signal.SIGINT, lambda *_: caught.append("SIGINT"))
signal.signal(signal.SIGTERM, lambda *_: caught.append("SIGTERM"))
print("ready", flush=True)
while not caught:
    signal.pause()
print("drained after", *caught)
sys.exit(75)
"""


def start(*command):
    arguments = [sys.executable, "-c", PROGRAM, "github", "--port", "0", "--", *command]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_the_command_finds_the_simulator_by_its_environment():
    process = start(sys.executable, "-c", ASK)
    said, told = process.communicate(timeout=20)
    assert (process.returncode, said) == (0, "30 2s True\n")
    assert "simulated GitHub" in told


@pytest.mark.parametrize(
    ("sent", "got"), [(signal.SIGINT, "SIGINT"), (signal.SIGTERM, "SIGTERM"), (signal.SIGHUP, "SIGTERM")]
)
def test_signals_are_passed_on_once_and_the_exit_code_is_the_commands(sent, got):
    process = start(sys.executable, "-c", DRAIN)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(sent)
    said, _ = process.communicate(timeout=20)
    assert (process.returncode, said) == (75, f"drained after {got}\n")


def test_a_command_that_is_killed_ends_as_shells_tell_it():
    process = start(sys.executable, "-c", "import os; os.kill(os.getpid(), 9)")
    process.communicate(timeout=20)
    assert process.returncode == 128 + 9


def test_a_command_that_is_not_there_is_said_so(tmp_path):
    process = start(str(tmp_path / "nothing"))
    assert "cannot run" in process.communicate(timeout=20)[1]
    assert process.returncode == 1


def test_what_is_given_goes_before_what_a_trial_would_choose():
    given = {"POLL_INTERVAL": "30s", "GITHUB_ORG": "tidewatch", "GITHUB_TOKEN": "real", "HOME": "/home/somebody"}
    assert environment("http://x", Options(), given, Path("trial/shipper.db")) == {
        "POLL_INTERVAL": "30s",
        "SHIPPER_STORAGE": "trial/shipper.db",
        "GITHUB_ORG": "tidewatch",
        "GITHUB_TOKEN": "token-of-the-simulator",
        "GITHUB_API_URL": "http://x",
        "HOME": "/home/somebody",
    }
    chosen = environment("http://x", Options(organizations=("one", "two"), tokens=("good",)), given, Path("t"))
    assert (chosen["GITHUB_ORG"], chosen["GITHUB_TOKEN"]) == ("one", "good")
    assert os.environ.get("GITHUB_API_URL") != "http://x"
