"""What every exporter's configuration has in common."""

import pytest
from pydantic import ValidationError

from shipper.core.delivery import BatchConfig, DeliveryConfig, RetryConfig


def test_the_defaults_are_those_of_the_documentation() -> None:
    """Unlimited retries from 1 s to 30 s, 512 records or 200 ms a request."""
    config = DeliveryConfig()
    assert (config.timeout, config.concurrency) == (10.0, 1)
    assert config.retry_on_failure == RetryConfig(
        enabled=True, initial_interval="1s", max_interval="30s", multiplier=1.5, max_elapsed_time=0
    )
    assert config.batch == BatchConfig(max_records=512, flush_interval="200ms", max_bytes="4MiB")


@pytest.mark.parametrize(
    "body", [{}, {"retry_on_failure": None, "batch": None}, {"retry_on_failure": {}, "batch": {}}]
)
def test_null_bodies_mean_defaults(body: dict[str, object]) -> None:
    assert DeliveryConfig.model_validate(body) == DeliveryConfig()


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({"timeout": 0}, ("timeout",)),
        ({"timeout": 10}, ("timeout",)),
        ({"concurrency": 0}, ("concurrency",)),
        ({"retry_on_failure": {"multiplier": 0.5}}, ("retry_on_failure", "multiplier")),
        ({"retry_on_failure": {"initial_interval": "0s"}}, ("retry_on_failure", "initial_interval")),
        ({"batch": {"max_records": 0}}, ("batch", "max_records")),
        ({"batch": {"max_bytes": "65MiB"}}, ("batch", "max_bytes")),
        ({"batch": {"size": 1}}, ("batch", "size")),
    ],
)
def test_values_that_cannot_work_are_refused_where_they_stand(
    body: dict[str, object], loc: tuple[str, ...]
) -> None:
    with pytest.raises(ValidationError) as raised:
        DeliveryConfig.model_validate(body)
    assert [error["loc"] for error in raised.value.errors()] == [loc]
