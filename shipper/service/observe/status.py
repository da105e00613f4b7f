"""What `/status` and `shipper top` show: pipelines, queues, rules, quotas, the journal."""

from typing import Any

from shipper import __version__
from shipper.core.journal import is_retry
from shipper.core.telemetry import Meter
from shipper.service.generation import Generation, Services
from shipper.service.observe.graph import picture
from shipper.service.observe.metrics import resident_bytes


def status(generation: Generation, services: Services) -> dict[str, Any]:
    """A snapshot as JSON. Names no secret: it is made of ids, counts and pictures only."""
    meter, usage = services.meter, services.journal.usage()
    return {
        "version": __version__,
        "memory_bytes": resident_bytes(),
        "pipelines": {name: picture(generation.loaded, name) for name in generation.loaded.pipelines},
        "receivers": {
            name: {
                "accepted": meter.value("otelcol_receiver_accepted_log_records", receiver=name),
                "refused": meter.value("otelcol_receiver_refused_log_records", receiver=name),
            }
            for name in generation.receivers
        },
        "exporters": [
            {
                "log": delivery.cursor.log,
                "exporter": delivery.cursor.reader,
                "waiting": services.journal.waiting(delivery.cursor),
                "sent": meter.value("otelcol_exporter_sent_log_records", exporter=delivery.cursor.reader),
                "failed": meter.value("otelcol_exporter_send_failed_log_records", exporter=delivery.cursor.reader),
            }
            for delivery in generation.deliveries
            if not is_retry(delivery.cursor.log) or services.journal.waiting(delivery.cursor)
        ],
        "rules": _series(meter, "shipper_rule_hits"),
        "dropped": _series(meter, "shipper_dropped_log_records"),
        "rate_limit_remaining": _series(meter, "shipper_github_rate_limit_remaining"),
        "journal": {
            "bytes": usage.bytes,
            "capacity_bytes": usage.capacity,
            "records": usage.records,
            "dead_letters": usage.dead_letters,
        },
    }


def _series(meter: Meter, name: str) -> dict[str, float]:
    return {" ".join(labels): value for labels, value in meter.series(name).items()}
