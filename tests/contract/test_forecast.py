"""Estimates of several replicas on one record."""

import asyncio
from collections.abc import Callable

from mesh import db
from services.results.forecast import Forecast
from services.results.store import Store
from services.results.store.database import MIGRATIONS, SCHEMA
from services.results.store.tasks import TaskRecord
from tests.unit.results.jobs import ID, reading_job


async def test_replicas_learn_from_each_other(fresh_database: Callable[[], str]) -> None:
    """What one measured another expects; what two measured adds up, and outlives them."""
    url = fresh_database()
    await db.migrate(url, SCHEMA, MIGRATIONS)
    store = Store(db.connect(url, SCHEMA, 2))
    first, second, third = (Forecast(store) for _ in range(3))
    job = reading_job(state="running", stage="reading", pages_total=400, pages_ocr=400)
    assert [None] * 3 == [each.seconds_left(job) for each in (first, second, third)]
    pages = [TaskRecord(ID, ID, "ocr", "normal", (number,), b"") for number in range(1, 21)]
    for each in (first, second):
        each.begun(pages)
    await asyncio.sleep(0.2)
    for each in (first, second):
        each.note({"ocr": 10}, [])
    alone = [each.seconds_left(job) or 0 for each in (first, second)]
    for each in (first, second, third, first):
        await each.look()
    [together] = {each.seconds_left(job) for each in (first, second, third)}
    assert 0 < (together or 0) < min(alone)
    await store.close()
