"""The thread of the journal ends with its last job."""

from shipper.journal import worker


async def test_nothing_is_done_after_the_last_job(monkeypatch):
    monkeypatch.setattr(worker, "_UPKEEP_INTERVAL", 0.0)
    done: list[str] = []
    thread = worker.Worker(lambda: done.append("upkeep"), lambda: None)
    await thread.run(lambda: done.append("job"))
    await thread.stop(lambda: done.append("last"))
    assert done[-1] == "last"
    assert "upkeep" in done
