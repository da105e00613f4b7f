"""The frame of a configuration file: everything but the components' own keys."""

import re
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import AfterValidator, Field, SecretStr, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from shipper.core.component import ConfigModel
from shipper.core.record import Severity
from shipper.core.units import Duration, Size
from shipper.net.lease_config import LeaseConfig

_ENDPOINT: Final = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^\s:/\[\]]*):(\d{1,5})")


def _endpoint(value: str) -> str:
    match = _ENDPOINT.fullmatch(value)
    if not match or int(match[2]) > 65535:
        raise PydanticCustomError("bad-endpoint", "not an endpoint; write HOST:PORT, such as 127.0.0.1:13133")
    return value


Endpoint: TypeAlias = Annotated[
    str, AfterValidator(_endpoint), WithJsonSchema({"type": "string", "pattern": f"^{_ENDPOINT.pattern}$"})
]
"""Where to listen: `HOST:PORT`."""


def _push_address(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#@]*)?", value):
        said = "not a base address such as https://collector:4318; credentials belong into headers"
        raise PydanticCustomError("bad-value", said)
    return value


class StorageConfig(ConfigModel):
    """Where records and checkpoints are kept until every exporter has them."""

    type: Literal["sqlite", "memory"] = "sqlite"
    """`sqlite` keeps records and checkpoints in a file; `memory` is for trials: its place is lost on restart."""
    path: str = "data/shipper.db"
    """The file of `sqlite`; its folder is made where it is missing."""
    max_size: Size = 2**30
    """How much may wait for exporters; receivers wait when it is full, nothing is dropped."""
    retention: Duration = 7 * 86400.0
    """How long the ids of delivered events are kept, for `shipper reconcile`."""


class ExtensionsConfig(ConfigModel):
    """What stands beside the pipelines."""

    storage: StorageConfig = StorageConfig()
    """Where records and checkpoints are kept until every exporter has them."""
    k8s_leader_elector: LeaseConfig | None = None
    """Elects one of several replicas by a Kubernetes Lease: it polls, the others stand by; null: there is one."""


class PipelineConfig(ConfigModel):
    """What flows where: receivers through processors, in order, to exporters."""

    receivers: list[str] = Field(default_factory=list)
    """Ids of the receivers whose records flow in."""
    processors: list[str] = Field(default_factory=list)
    """Ids of the processors, in the order in which records pass them."""
    exporters: list[str] = Field(default_factory=list)
    """Ids of the exporters; each gets every record, at its own pace."""
    dead_letter: list[str] = Field(default_factory=list)
    """Ids of exporters for the records that a processor or an exporter refuses for good."""


class LogsConfig(ConfigModel):
    """The shipper's own log, on stderr."""

    level: Literal["debug", "info", "warn", "warning", "error"] = "info"
    """The least severity that is logged."""
    format: Literal["json", "console"] = "json"
    """`json` is one object a line; `console` is for people."""


class MetricsPushConfig(ConfigModel):
    """Pushes the shipper's own metrics to an OTLP/HTTP endpoint."""

    endpoint: Annotated[str, AfterValidator(_push_address)]
    """The backend's base address; `/v1/metrics` is appended."""
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    """Headers of each request, such as an API key."""
    interval: Duration = 60.0
    """How often."""


class MetricsConfig(ConfigModel):
    """The shipper's own metrics."""

    endpoint: Endpoint | None = "127.0.0.1:8888"
    """Where Prometheus finds them, at `/metrics`; null: nowhere."""
    otlp: MetricsPushConfig | None = None
    """Pushes them to an OTLP endpoint too."""


class TelemetryConfig(ConfigModel):
    """What the shipper says of itself."""

    logs: LogsConfig = LogsConfig()
    """The shipper's own log, on stderr."""
    metrics: MetricsConfig | Literal[False] = MetricsConfig()
    """The shipper's own metrics; `false` for none."""


class AdminConfig(ConfigModel):
    """Probes, status page and tap: `/livez`, `/readyz`, `/status`, `/tap`."""

    endpoint: Endpoint = "127.0.0.1:13133"
    """Where to listen; `/tap`, which shows records, answers this machine only."""


class ServiceConfig(ConfigModel):
    """Which components run, and what is told of them."""

    pipelines: dict[str, PipelineConfig]
    """The pipelines by id: `logs`, or `logs/NAME`."""
    telemetry: TelemetryConfig = TelemetryConfig()
    """The shipper's own log and metrics."""
    admin: AdminConfig | Literal[False] = AdminConfig()
    """Probes, status page and tap: `/livez`, `/readyz`, `/status`, `/tap`; `false` for none."""


class TestEvents(ConfigModel):
    """Events that a test sends: exactly one of `event`, `events` and `file`."""

    __test__ = False

    stream: str | None = None
    """Their stream, such as `audit_log`; the default is `audit_log`."""
    organization: str | None = None
    """The organization they are of, where the events do not say."""
    event: dict[str, Any] | None = None
    """One event as GitHub sends it."""
    events: list[dict[str, Any]] | None = None
    """Several events."""
    file: str | None = None
    """A file with one event, a page of events, or one event a line."""

    def given(self) -> list[str]:
        """Which of the ways to name events are used."""
        ways: dict[str, object] = {"event": self.event, "events": self.events, "file": self.file}
        return [way for way, events in ways.items() if events is not None]


class TestInput(TestEvents):
    """What goes in."""

    @model_validator(mode="after")
    def _one_way(self) -> "TestInput":
        if len(self.given()) != 1:
            raise PydanticCustomError("wrong-combination", "give exactly one of event, events and file")
        return self


class TestExpectation(ConfigModel):
    """What must come out for one event; what is left out may be anything."""

    __test__ = False

    dropped: bool | None = None
    """Whether the event is dropped."""
    dead_letter: bool | None = None
    """Whether the event is refused and goes to the dead letters."""
    rule: str | None = None
    """The rule that matches."""
    severity: Severity | None = None
    """The record's severity."""
    event_name: str | None = None
    """The record's event name."""
    attributes: dict[str, Any] = Field(default_factory=dict)
    """Attributes the record has, among others; null: has not."""
    body: Any = None
    """The record's body, whole."""
    otlp: str | None = None
    """A file with the exact OTLP/JSON."""
    syslog: str | None = None
    """The exact syslog line."""


class TestConfig(TestEvents):
    """One test: events in, records out. `shipper test` runs it."""

    name: str = Field(min_length=1)
    """What it shows; unique."""
    pipeline: str | None = None
    """The pipeline it runs through; may be left out where there is one."""
    input: TestInput | None = None
    """What goes in."""
    expect: TestExpectation | list[TestExpectation]
    """What comes out; a list where there are several events."""

    @property
    def source(self) -> TestEvents:
        """The events, wherever they were written."""
        return self.input or self

    @model_validator(mode="after")
    def _one_input(self) -> "TestConfig":
        if len(self.given()) + (self.input is not None) != 1:
            raise PydanticCustomError("wrong-combination", "give exactly one of input, event, events and file")
        return self


class FileConfig(ConfigModel):
    """A whole configuration file; the bodies of components are checked by the components."""

    receivers: dict[str, Any]
    """Where events come from, by id: `type`, or `type/name`."""
    processors: dict[str, Any] = Field(default_factory=dict)
    """What is done with records on the way, by id."""
    exporters: dict[str, Any]
    """Where records go, by id."""
    extensions: ExtensionsConfig = ExtensionsConfig()
    """What stands beside the pipelines."""
    service: ServiceConfig
    """Which components run, and what is told of them."""
    tests: list[TestConfig] = Field(default_factory=list)
    """Events in, records out: run by `shipper test`."""
