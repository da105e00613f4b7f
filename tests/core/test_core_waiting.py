"""Whoever waits for the first of several things hears of a failure."""

import asyncio

import pytest

from shipper.core.waiting import first


async def _fail() -> None:
    raise RuntimeError("broken")


async def test_an_error_of_a_wait_is_raised():
    with pytest.raises(RuntimeError, match="broken"):
        await first(asyncio.Event().wait(), _fail())


async def test_an_error_of_a_task_is_its_owners():
    task = asyncio.ensure_future(_fail())
    assert await first(task, asyncio.Event().wait())
    with pytest.raises(RuntimeError, match="broken"):
        await task


async def test_nothing_in_time_is_false():
    assert not await first(asyncio.Event().wait(), timeout=0)
