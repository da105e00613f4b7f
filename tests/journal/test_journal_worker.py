"""The thread of the journal ends with its last job."""

import asyncio
import threading

from shipper.journal import worker


async def test_nothing_is_done_after_the_last_job(monkeypatch):
    monkeypatch.setattr(worker, "_UPKEEP_INTERVAL", 0.0)
    done: list[str] = []
    thread = worker.Worker(lambda: done.append("upkeep"), lambda: None)
    await thread.run(lambda: done.append("job"))
    await thread.stop(lambda: done.append("last"))
    assert done[-1] == "last"
    assert "upkeep" in done


async def test_who_stops_it_again_waits_for_its_end():
    """Also where who asked first gave up waiting: the file may be in use until then."""
    go_on = threading.Event()
    done: list[str] = []
    thread = worker.Worker(lambda: None, lambda: None)
    job = asyncio.ensure_future(thread.run(go_on.wait))
    await asyncio.sleep(0)
    impatient = asyncio.ensure_future(thread.stop(lambda: done.append("last")))
    await asyncio.sleep(0)
    impatient.cancel()
    again = asyncio.ensure_future(thread.stop(lambda: done.append("another last")))
    await asyncio.sleep(0)
    assert not again.done()
    go_on.set()
    await again
    assert await job
    assert done == ["last"]
