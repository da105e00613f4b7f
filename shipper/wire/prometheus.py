"""Prometheus' text format, version 0.0.4: https://prometheus.io/docs/instrumenting/exposition_formats/.

Written out here because prometheus_client would bring HTTP servers and 2 MB into every sidecar; it judges this in
the tests.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_HELP: Final = str.maketrans({"\\": "\\\\", "\n": "\\n"})
_LABEL: Final = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})


def family(
    name: str,
    kind: Literal["counter", "gauge"],
    text: str,
    labels: Sequence[str],
    series: Mapping[tuple[str, ...], float],
) -> bytes:
    """One metric with its series by label values; a counter's name gets `_total`. No series: only its names."""
    name = f"{name}_total" if kind == "counter" else name
    lines = [f"# HELP {name} {text.translate(_HELP)}", f"# TYPE {name} {kind}"]
    lines += [f"{name}{_labels(labels, values)} {_number(value)}" for values, value in series.items()]
    return "\n".join([*lines, ""]).encode("utf-8", "backslashreplace")


def _labels(names: Sequence[str], values: Iterable[str]) -> str:
    pairs = ",".join(f'{name}="{value.translate(_LABEL)}"' for name, value in zip(names, values, strict=True))
    return f"{{{pairs}}}" if pairs else ""


def _number(value: float) -> str:
    if math.isfinite(value):
        return repr(float(value))
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
