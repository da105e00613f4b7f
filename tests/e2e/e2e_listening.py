"""Reads what a program says, until it says what a test waits for."""

import asyncio
import re

PATIENCE = 180.0
"""Seconds that a test waits for what is to come: only a failure takes as long, on however busy a machine."""


async def said(process: asyncio.subprocess.Process, pattern: str) -> tuple[re.Match[str], list[str]]:
    """The first match in a line of the program's log, and the lines read so far."""
    assert process.stderr
    lines: list[str] = []
    while line := (await asyncio.wait_for(process.stderr.readline(), PATIENCE)).decode():
        lines.append(line)
        if found := re.search(pattern, line):
            return found, lines
    raise AssertionError(f"no line with {pattern!r} in {lines}")


async def until(process: asyncio.subprocess.Process, text: str) -> str:
    """The line of the program's log that has this text."""
    found, _ = await said(process, re.escape(text))
    return found.string


async def listening(process: asyncio.subprocess.Process, name: str) -> tuple[str, list[str]]:
    """The address of a listener from the program's log, and the lines read so far."""
    found, lines = await said(process, rf"{name} listens on ([\d.]+:\d+)")
    return f"http://{found[1]}", lines


async def ended(process: asyncio.subprocess.Process) -> tuple[str, str]:
    """What the program still writes until it ends: stdout and stderr."""
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
    return out.decode(), err.decode()
