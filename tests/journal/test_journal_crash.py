"""kill -9 at random moments: every record reaches every exporter, none is stored twice.

`python tests/journal/test_journal_crash.py KILLS [SEED]` is the long run.
"""

import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest

CHILD = Path(__file__).with_name("crash_child.py")
BATCH = 64
SIZE = 20


def run_with_kills(directory: Path, kills: int, seed: int) -> None:
    """Start the child again and again, kill it all but the last time, and compare."""
    rng = random.Random(seed)
    pages = 40 * (kills + 1)
    for _ in range(kills):
        with start(directory, pages) as child:
            assert child.stdout
            assert child.stdout.readline() == "ready\n"
            time.sleep(rng.random() ** 2 * 0.3)
            child.kill()
    with start(directory, pages) as child:
        output, _ = child.communicate(timeout=120)
    total = pages * SIZE
    assert output == f"ready\ndone {total} 0\n", "the log has every record once, and nothing was damaged"
    for name in ("a", "b"):
        counts = Counter((directory / name).read_text().split())
        assert len(counts) == total, f"{name} lost records"
        assert counts.total() - total <= kills * BATCH, f"{name} got more than one batch twice for each kill"


def start(directory: Path, pages: int) -> "subprocess.Popen[str]":
    command = [sys.executable, str(CHILD), str(directory), str(pages), str(SIZE)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("seed", [1, 2])
def test_kill_9_loses_and_doubles_nothing(tmp_path: Path, seed: int):
    run_with_kills(tmp_path, kills=3, seed=seed)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        run_with_kills(Path(scratch), int(sys.argv[1]), int((sys.argv[2:] or ["0"])[0]))
        print(f"{sys.argv[1]} kills: nothing lost, nothing stored twice")  # noqa: T201
