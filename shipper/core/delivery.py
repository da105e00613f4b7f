"""What every exporter's configuration has in common; the delivery loop acts on it, exporters need not."""

from typing import Annotated, Any, Final, TypeVar

from pydantic import BeforeValidator, Field

from shipper.core.component import ConfigModel
from shipper.core.units import Duration, Size

_MIB: Final = 2**20

T = TypeVar("T")


def _empty_for_null(value: Any) -> Any:
    return {} if value is None else value


OrDefaults = Annotated[T, BeforeValidator(_empty_for_null)]
"""A sub-model for which `null` means its defaults."""


class RetryConfig(ConfigModel):
    """What happens with a batch that the backend can't take now."""

    enabled: bool = True
    """Whether to try again; if not, records go to the dead letters at the first failure."""
    initial_interval: Annotated[Duration, Field(gt=0)] = 1.0
    """The wait before the second attempt; the following ones grow from it, with jitter."""
    max_interval: Annotated[Duration, Field(gt=0)] = 30.0
    """The longest wait, unless the backend itself asks for a longer one."""
    multiplier: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 1.5
    """By how much each wait is longer than the one before."""
    max_elapsed_time: Duration = 0.0
    """After how long the records go to the dead letters; 0 tries for ever."""


class BatchConfig(ConfigModel):
    """How much is read from storage for one request. Batching happens behind storage: it can't lose records."""

    max_records: Annotated[int, Field(ge=1)] = 512
    """At most so many records in a request."""
    flush_interval: Duration = 0.2
    """How long to wait for more records before a request that is not full is sent."""
    max_bytes: Annotated[Size, Field(ge=1, le=64 * _MIB)] = 4 * _MIB
    """At most so many bytes in a request before compression, unless one record alone is larger."""


class DeliveryConfig(ConfigModel):
    """Base of every exporter's configuration."""

    timeout: Annotated[Duration, Field(gt=0)] = 10.0
    """How long one attempt may take."""
    concurrency: Annotated[int, Field(ge=1, le=64)] = 1
    """How many requests may be under way at once; with more than 1, records may arrive out of order."""
    retry_on_failure: OrDefaults[RetryConfig] = RetryConfig()
    """Trying again, with waits that grow."""
    batch: OrDefaults[BatchConfig] = BatchConfig()
    """The size of requests."""
