"""The configuration file: YAML with positions, expansions, typed models, and every fault with its line."""

from shipper.config.diagnostics import Diagnostic, Invalid
from shipper.config.loaded import Loaded, Part
from shipper.config.loading import load
from shipper.config.models import (
    AdminConfig,
    MetricsConfig,
    MetricsPushConfig,
    PipelineConfig,
    StorageConfig,
    TelemetryConfig,
    TestConfig,
    TestEvents,
    TestExpectation,
)

__all__ = [
    "AdminConfig",
    "Diagnostic",
    "Invalid",
    "Loaded",
    "MetricsConfig",
    "MetricsPushConfig",
    "Part",
    "PipelineConfig",
    "StorageConfig",
    "TelemetryConfig",
    "TestConfig",
    "TestEvents",
    "TestExpectation",
    "load",
]
