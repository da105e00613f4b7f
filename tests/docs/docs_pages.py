"""Reads the pages of the documentation: their blocks, with the comment that stands above each."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parents[2]
PAGES = sorted([REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *REPOSITORY.glob("docs/**/*.md")])

_FENCE = re.compile(
    r"(?:<!--(?P<note>[^>]*)-->\n)?^(?P<fence>`{3,})(?P<kind>\w*)\n(?P<text>.*?)^(?P=fence)$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced block. `note` is the HTML comment right above it: what a test is to do with it."""

    page: Path
    line: int
    kind: str
    text: str
    note: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(REPOSITORY)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    text = page.read_text()
    return [
        Block(page, text[: m.start("fence")].count("\n") + 1, m["kind"], m["text"], (m["note"] or "").strip())
        for m in _FENCE.finditer(text)
    ]


def all_blocks(kind: str) -> list[Block]:
    return [block for page in PAGES for block in blocks(page) if block.kind == kind]


def name(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


def merged(base: Any, change: Any) -> Any:
    """Maps are merged, everything else is replaced."""
    if isinstance(base, dict) and isinstance(change, dict):
        return base | {key: merged(base.get(key), value) for key, value in change.items()}
    return change


def edit(file: Path, path: str, change: str) -> None:
    """Merge a block into the map at a path of a YAML file."""
    fragment = yaml.safe_load(change)
    for key in reversed(path.split(".") if path else []):
        fragment = {key: fragment}
    file.write_text(yaml.safe_dump(merged(yaml.safe_load(file.read_text()), fragment), sort_keys=False))
