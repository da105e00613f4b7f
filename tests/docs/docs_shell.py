"""Runs the commands of a page as its reader would, beside a simulated organization, and compares what they print.

A command that ends is to end with 0, unless `$ echo $?` follows and says otherwise. One that goes on is started,
is to print what the page shows, and is stopped by SIGINT: at the end of its block, or where `<!-- background -->`
stands above it, at the end of the page or where `<!-- stop: COMMAND -->` stands. Lines of output are to occur in
their order; `…` stands for any text. The usual ports are exchanged for free ones.
"""

import os
import random
import re
import shlex
import signal
import socket
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from docs_pages import REPOSITORY, Block, edit

PATIENCE = 180.0
_PORTS = (9180, 4317, 4318, 13133, 8888)
#: Asked again until they show what is expected: they look at what goes on meanwhile.
_LOOKING = re.compile(r"(shipper (top|health)|curl|tail)\b")
#: Only their way through make is checked: they run the tests, or install.
_DRY = re.compile(r"make (setup|test|interop|lint|bench)\b")


def free_ports() -> dict[int, int]:
    """Free ones below those that systems choose from: no other program is given them until they are used."""
    candidates = iter(random.sample(range(20_000, 32_000), 1000))
    return {port: next(filter(is_free, candidates)) for port in _PORTS}


def is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


@dataclass
class Command:
    """A command of a block and the output that the page shows."""

    text: str
    shown: list[str] = field(default_factory=list)


def commands(block: Block) -> list[Command]:
    found: list[Command] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append(Command(re.sub(r"\s{2,}# .*", "", line[2:]).strip()))
        elif found:
            found[-1].shown.append(line)
    return found


def goes_on(command: str) -> bool:
    words = command.split()
    if words[:2] == ["make", "run"]:
        return True
    if words[:2] == ["shipper", "simulate"] and "--" not in words:
        return True
    inner = command.rpartition(" -- ")[2].split()
    if inner[:2] == ["shipper", "tap"]:
        return not {"--limit", "--duration"} & set(inner)
    return inner[:2] == ["shipper", "run"] and "--once" not in inner


def pattern(shown: list[str]) -> re.Pattern[str]:
    lines = [line for line in shown if line.strip() not in ("", "…")]
    return re.compile(
        ".*?".join("^" + ".*".join(map(re.escape, line.split("…"))) for line in lines), re.DOTALL | re.MULTILINE
    )


class Going:
    """A command that goes on."""

    def __init__(self, command: str, process: "subprocess.Popen[str]") -> None:
        self.command = command
        self.process = process
        self.output = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout as lines:
            for line in lines:
                self.output += line

    def shows(self, shown: list[str]) -> None:
        end = time.monotonic() + PATIENCE
        wanted = pattern(shown)
        while not (self.output and wanted.search(self.output)):
            assert self.process.poll() is None, f"{self.command} ended:\n{self.output}"
            assert time.monotonic() < end, f"{self.command} does not show {shown}, but\n{self.output}"
            time.sleep(0.05)

    def stop(self) -> None:
        os.killpg(self.process.pid, signal.SIGINT)  # as a terminal does
        ends = (
            (0, 130, 2, -signal.SIGINT) if self.command.startswith("make ") else (0,)
        )  # make tells that it was interrupted
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        assert code in ends, f"{self.command} ends with {code}:\n{self.output}"

    def kill(self) -> None:
        """End it, after a test that failed."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(PATIENCE)


class Shell:
    """One reader in one folder, which looks like a fresh clone."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.folder = folder
        self.ports = free_ports()
        self.going: list[Going] = []
        self.code = 0
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("GITHUB_", "OTEL_"))}
        self.env = kept | {"PATH": f"{REPOSITORY}/.venv/bin:{os.environ['PATH']}", "PWD": str(folder)} | env
        for name in ("Makefile", ".venv", "schemas", "examples", "pyproject.toml"):
            (folder / name).symlink_to(REPOSITORY / name)
        (folder / "pipelines.yaml").write_text((REPOSITORY / "pipelines.yaml").read_text())
        self._exchange_files()

    def run(self, block: Block) -> None:
        if block.note.startswith("stop: "):
            self.stop(block.note.removeprefix("stop: "))
        before = len(self.going)
        for command in commands(block):
            self._run(command)
        if block.note != "background":
            self._end(before)

    def write(self, block: Block) -> None:
        """Do with a file what the page tells its reader."""
        action, _, target = block.note.partition(": ")
        file, _, path = target.partition(" ")
        if action == "file":
            (self.folder / file).write_text(block.text)
        elif action == "merge":
            edit(self.folder / file, path, block.text)
        self._exchange_files()

    def stop(self, command: str) -> None:
        going = next(each for each in reversed(self.going) if each.command == command)
        going.stop()
        self.going.remove(going)

    def close(self) -> None:
        """Stop what goes on: shippers first, so that they can drain."""
        self.going.sort(key=lambda each: "shipper run" in each.command)
        self._end(0)

    def kill(self) -> None:
        for each in self.going:
            each.kill()

    def _end(self, before: int) -> None:
        while len(self.going) > before:
            self.going[-1].stop()
            self.going.pop()

    def _run(self, command: Command) -> None:
        text = self._exchanged(command.text)
        command.shown = [self._exchanged(line) for line in command.shown]
        if command.text == "echo $?":
            assert [str(self.code)] == command.shown
            self.code = 0
            return
        assert self.code == 0, f"exit code {self.code} before {command.text}"
        words = shlex.split(text)
        if words[0] == "export":
            self.env |= {
                key: os.path.expandvars(value).replace("$PWD", str(self.folder))
                for key, _, value in (w.partition("=") for w in words[1:])
            }
            self.env["PATH"] = f"{REPOSITORY}/.venv/bin:{os.environ['PATH']}"
        elif words[0] == "cd":
            self.folder = (self.folder / words[1]).resolve()
        elif goes_on(command.text):
            self._start(command, text)
        else:
            self._finish(command, f"make -n {text[5:]}" if _DRY.match(text) else text)
        self._exchange_files()

    def _start(self, command: Command, text: str) -> None:
        if re.fullmatch(r"shipper simulate \w+", command.text):
            port = self.ports[9180 if "github" in text else 4318]
            text = f"{text} --port {port}"
        text = text.replace("make run", "make -o .venv/.complete run")
        process = subprocess.Popen(
            ["bash", "-c", f"exec {text}"],
            cwd=self.folder,
            env={k: v for k, v in self.env.items() if not (text.startswith("make") and k.startswith("GITHUB_"))},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        going = Going(command.text, process)
        self.going.append(going)
        started = ["…logs/github: github…"] if "shipper run" in text or "make" in text else ["…"]
        going.shows(command.shown or started)

    def _finish(self, command: Command, text: str) -> None:
        end = time.monotonic() + PATIENCE
        wanted = pattern(command.shown)
        while True:
            done = subprocess.run(
                ["bash", "-c", text],
                cwd=self.folder,
                env=self.env,
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=PATIENCE,
                check=False,
            )
            self.code = done.returncode
            if wanted.search(done.stdout) or not _LOOKING.match(text) or time.monotonic() > end:
                break
            time.sleep(0.2)
        assert wanted.search(done.stdout), f"$ {text}\nshows\n{done.stdout}\nnot\n" + "\n".join(command.shown)

    def _exchanged(self, text: str) -> str:
        for port, other in self.ports.items():
            text = re.sub(rf"(?<=:){port}\b", str(other), text)
        return text

    def _exchange_files(self) -> None:
        for file in self.folder.glob("*.yaml"):
            text = file.read_text()
            if (changed := self._exchanged(text)) != text:
                file.write_text(changed)
