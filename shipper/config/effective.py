"""The configuration as it is understood: defaults filled in, secrets masked."""

from typing import Any

from shipper.config import values
from shipper.config.loaded import Loaded, Part


def effective(loaded: Loaded) -> dict[str, Any]:
    """Plain data in the form of the file."""
    secrets = frozenset(secret for secret in loaded.secrets if len(secret) >= 4)

    def shown(value: Any, annotation: Any = Any) -> Any:
        return values.plain(value, annotation, secrets=secrets)

    def parts(defined: dict[str, Part]) -> dict[str, Any]:
        return {name: shown(part.config) for name, part in defined.items()}

    whole = {
        "receivers": parts(loaded.receivers),
        "processors": parts(loaded.processors),
        "exporters": parts(loaded.exporters),
        "extensions": shown(loaded.extensions),
        "service": shown(loaded.service),
    }
    if loaded.tests:
        whole["tests"] = [shown(test.model_dump(exclude_unset=True)) for test in loaded.tests]
    return whole
