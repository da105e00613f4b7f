"""Waits for a program to listen."""

import asyncio
import re


async def listening(process: asyncio.subprocess.Process, name: str) -> tuple[str, list[str]]:
    """The address of a listener from the program's log, and the lines read so far."""
    assert process.stderr
    lines: list[str] = []
    while True:
        line = (await asyncio.wait_for(process.stderr.readline(), 30)).decode()
        assert line, lines
        lines.append(line)
        found = re.search(rf"{name} listens on ([\d.]+:\d+)", line)
        if found:
            return f"http://{found[1]}", lines
