"""What both OTLP exporters do around a request: its limit, and the report of a partial success."""

import logging

from shipper.core.component import Context
from shipper.core.errors import Rejected
from shipper.exporters.otlp_config import REQUEST_LIMIT
from shipper.wire.otlp_answer import Partial

log = logging.getLogger(__name__)


def limited(body: bytes) -> bytes:
    """The request's bytes before compression.

    Raises:
        Rejected: they are more than may be sent; half of the records may fit.
    """
    if len(body) > REQUEST_LIMIT:
        limit = f"{REQUEST_LIMIT // 2**20} MiB"
        raise Rejected(
            f"the request has {len(body)} bytes, more than the {limit} that OTLP allows; nothing was sent"
        )
    return body


def report(partial: Partial, sent: int, context: Context) -> None:
    """Count and log what the backend took the request without; such a request is never sent again.

    Raises:
        Rejected: it took none of the records sent. Which ones a smaller number means, OTLP does not say.
    """
    if not partial.rejected and not partial.message:
        return
    rejected = min(partial.rejected, sent)
    context.meter.count("shipper_exporter_partial_rejected_log_records", rejected, exporter=context.id)
    what = "the backend took the request without some records" if rejected else "the backend warns"
    extra = {"component": context.id, "rejected": rejected, "answer": partial.message}
    log.warning("%s; see its answer", what, extra=extra)
    if rejected == sent:
        raise Rejected(
            "the backend took the request without any of its records", answer=partial.message, indexes=range(sent)
        )
