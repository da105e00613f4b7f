"""Waiting for the first of several things."""

import asyncio
from collections.abc import Awaitable
from typing import Any


async def first(*waits: Awaitable[Any], timeout: float | None = None) -> bool:
    """Return when one of these is done, or false after `timeout` seconds.

    Coroutines that are not done are cancelled; tasks go on, and their errors are whose they are.

    Raises:
        Exception: what a coroutine raised that was done.
    """
    own = [asyncio.ensure_future(each) for each in waits if not asyncio.isfuture(each)]
    others = [asyncio.ensure_future(each) for each in waits if asyncio.isfuture(each)]
    try:
        done, _ = await asyncio.wait(own + others, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in own:
            task.cancel()
    for task in own:
        if task in done:
            task.result()
    return bool(done)
