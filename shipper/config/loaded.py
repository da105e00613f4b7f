"""What loading a configuration gives."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from shipper.config.diagnostics import Diagnostic
from shipper.config.models import (
    AdminConfig,
    ExtensionsConfig,
    PipelineConfig,
    ServiceConfig,
    StorageConfig,
    TelemetryConfig,
    TestConfig,
)
from shipper.core.component import Component, Paths


@dataclass(frozen=True, slots=True)
class Part:
    """A component that the file defines."""

    id: str
    component: Component[Any, Any]
    config: Any
    """An instance of `component.config`."""


@dataclass(frozen=True)
class RecordingPaths(Paths):
    """Remembers which files were looked for, so that `--watch` sees them change."""

    read: set[Path] = field(default_factory=set, compare=False, repr=False)

    def input(self, path: str) -> Path:
        """The file to read: the first that exists, else where it was looked for first."""
        try:
            found = super().input(path)
        except (OSError, ValueError):  # no path at all: whoever reads it says so
            found = self.working / path
        self.read.add(found.absolute())
        return found


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that can be built."""

    path: Path
    receivers: dict[str, Part]
    processors: dict[str, Part]
    exporters: dict[str, Part]
    storage: StorageConfig
    pipelines: dict[str, PipelineConfig]
    telemetry: TelemetryConfig
    admin: AdminConfig | Literal[False]
    tests: list[TestConfig]
    warnings: list[Diagnostic]
    paths: Paths
    secrets: set[str] = field(repr=False)
    """Every secret value, for masking the log."""
    extensions: ExtensionsConfig
    service: ServiceConfig
    """The file's own sections as validated; `model_fields_set` tells what was written."""
    _recorded: set[Path]

    @property
    def files(self) -> set[Path]:
        """Every file that was read, this one included, for watching."""
        recorded = self.paths.read if isinstance(self.paths, RecordingPaths) else set()
        return self._recorded | recorded
