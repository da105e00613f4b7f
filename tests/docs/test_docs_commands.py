"""Every command of README.md and docs/ does what the page says, beside a simulated organization."""

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from docs_pages import PAGES, REPOSITORY, blocks, name
from docs_shell import Shell, commands

from shipper.cli import COMMANDS

WITH_COMMANDS = [page for page in PAGES if any(block.kind == "console" for block in blocks(page))]


@pytest.fixture(scope="module")
def github() -> Iterator[str]:
    """The address of a simulated organization where something happens all the time."""
    process = subprocess.Popen(
        [sys.executable, "-m", "shipper", "simulate", "github", "--port", "0", "--rate", "5"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    yield process.stdout.readline().split()[0]
    process.terminate()
    process.wait(10)
    process.stdout.close()


def environment(page, github):
    """What a page takes for given: that the reader has an organization, where it does not say how to get one."""
    text = page.read_text()
    needs = re.search(r"^\$ shipper (run|validate)\b", text, re.MULTILINE) and "export GITHUB_" not in text
    given = {"GITHUB_API_URL": github, "GITHUB_ORG": "acme-corp", "GITHUB_TOKEN": "any", "POLL_INTERVAL": "1s"}
    return given if needs else {}


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=name)
def test_the_commands_of_a_page_do_what_it_says(page, tmp_path, github):
    """`<!-- not run: REASON -->` above a block leaves it out."""
    shell = Shell(tmp_path, environment(page, github))
    try:
        for block in blocks(page):
            if block.kind == "console" and not block.note.startswith("not run: "):
                shell.run(block)
            elif block.note.startswith(("file: ", "merge: ")):
                shell.write(block)
        shell.close()
    finally:
        shell.kill()


def test_a_block_that_is_not_run_says_why():
    skipped = [block for page in PAGES for block in blocks(page) if block.note.startswith("not run")]
    assert all(re.fullmatch(r"not run: .{10,}", block.note) for block in skipped)
    assert all(commands(block) for block in skipped)


def test_every_command_of_ours_is_shown_somewhere():
    """Who reads the pages meets every command that people call."""
    text = "".join(page.read_text() for page in PAGES)
    assert [command for command in COMMANDS if f"shipper {command}" not in text] == []


def test_make_targets_of_the_pages_exist():
    makefile = (REPOSITORY / "Makefile").read_text()
    for page in PAGES:
        for target in re.findall(r"`make (\w+)`|^\$ make (\w+)", page.read_text(), re.MULTILINE):
            assert re.search(rf"^{''.join(target)}:", makefile, re.MULTILINE), (name(page), target)
