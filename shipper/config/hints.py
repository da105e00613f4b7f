"""What people who come from the Collector write by habit, and what stands for it here."""

from dataclasses import replace
from typing import Final

from shipper.core.errors import Problem

_HABITS: Final = {
    ("processors", "batch"): "batching is part of every exporter here: exporters.ID.batch",
    ("processors", "memory_limiter"): "memory is bounded by the journal: extensions.storage.max_size",
    ("processors", "filter"): "use `rules` with `drop: true`",
    ("processors", "attributes"): "use `rules` with `set`, or `redact`",
    ("processors", "transform"): "use `rules` with `set`, or `redact`",
    ("exporters", "logging"): "it is called debug",
    ("exporters", "otlp_grpc"): "it is called otlp",
    ("exporters", "otlp_http"): "it is called otlphttp",
    ("exporters", "otlphttp_logs"): "it is called otlphttp",
    ("extensions", "health_check"): "probes are service.admin",
    ("extensions", "healthcheckv2"): "probes are service.admin",
    ("extensions", "file_storage"): "it is called storage",
    ("service", "extensions"): "extensions need not be listed; what is defined is used",
    ("exporters", "*", "sending_queue"): "what waits is in the journal: extensions.storage.max_size",
    ("service", "telemetry", "metrics", "address"): "it is called endpoint",
    ("service", "telemetry", "metrics", "readers"): "write endpoint for Prometheus, otlp for a push",
    ("service", "telemetry", "metrics", "level"): "all metrics are shown; write `metrics: false` for none",
    ("service", "telemetry", "logs", "encoding"): "it is called format",
    ("exporters", "splunk_hec"): "Splunk takes OTLP: docs/how-to/splunk.md",
    ("exporters", "loki"): "Loki takes OTLP: docs/how-to/loki.md",
    ("exporters", "elasticsearch"): "Elastic takes OTLP: docs/how-to/elastic.md",
    ("exporters", "datadog"): "Datadog takes OTLP: docs/how-to/datadog.md",
    ("exporters", "*", "transport"): "it is called network",
    ("extensions", "storage", "directory"): "it is called path, and names the file",
    ("processors", "rules", "rules", "[]", "level"): "it is called severity",
    ("processors", "rules", "rules", "[]", "detection"): "it is called match",
    ("processors", "rules", "rules", "[]", "condition"): "it is called match",
    ("processors", "redact", "rules", "[]", "field"): "it is called path",
    ("processors", "redact", "rules", "[]", "regex"): "it is called pattern",
    ("connectors",): "there are no connectors; a receiver may stand in several pipelines",
}


def hint(problem: Problem) -> Problem:
    """The same problem, with the name the thing has here where it is a Collector's."""
    steps = tuple("[]" if isinstance(step, int) else step.partition("/")[0] for step in problem.loc)
    said = _HABITS.get(steps) or _HABITS.get((*steps[:1], "*", *steps[2:]))
    if said is None or problem.code not in ("unknown-key", "unknown-component"):
        return problem
    return replace(problem, message=f"{problem.message.partition(' (did')[0].partition(';')[0]}; {said}")
