"""A second copy of what must not be lost with the journal: how far everything is known to be delivered."""

import base64
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from shipper.journal.schema import seal

log = logging.getLogger(__name__)

_FORMAT: Final = 1


class SafeCheckpoints:
    """Each source's newest checkpoint up to which every exporter has everything, in a small file of its own.

    When the journal itself can't be read, sources go on from here: they are asked again for what was not
    delivered yet, so nothing is lost that they still have. A checkpoint in it stays true whatever happens to
    the journal, since what was delivered stays delivered.

    Args:
        path: the file; None keeps nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.values: dict[str, bytes] = {}

    def load(self) -> None:
        """Read the file; one that is missing or damaged says nothing."""
        if not self._path or not self._path.exists():
            return
        try:
            content = json.loads(self._path.read_bytes())
            text = json.dumps(content["checkpoints"], sort_keys=True)
            if content["format"] != _FORMAT or content["sum"] != seal(text):
                raise ValueError("checksum")  # noqa: TRY301 - one answer to every way of being wrong
            self.values = {name: base64.b64decode(value) for name, value in content["checkpoints"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("the copy of the checkpoints can't be read: %s", error, extra={"path": str(self._path)})

    def save(self, values: Mapping[str, bytes]) -> None:
        """Replace the file, if anything changed; raises OSError."""
        if not self._path or values == self.values:
            return
        checkpoints = {name: base64.b64encode(value).decode() for name, value in values.items()}
        total = seal(json.dumps(checkpoints, sort_keys=True))
        fresh = self._path.with_name(self._path.name + ".new")
        with open(fresh, "w", encoding="utf-8", opener=_private) as file:
            json.dump({"format": _FORMAT, "sum": total, "checkpoints": checkpoints}, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(self._path)
        self.values = dict(values)

    def clear(self) -> None:
        """Forget everything: the journal was removed, which is how a place is given up on purpose."""
        self.values = {}
        if self._path:
            self._path.unlink(missing_ok=True)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
