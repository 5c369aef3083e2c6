"""Latency of a submit-and-poll service at a given load: documents come when they are due, whatever others do."""

import asyncio
import time
from contextlib import ExitStack, closing

from benchmarks.load import Submit
from benchmarks.wire import Address, Connection


async def latencies_ms(base_url: str, submit: Submit, pdf: bytes, documents: int, per_second: float) -> list[float]:
    """Of each document, from when it was due to the answer that says completed.

    Polls follow each other, so `submit` should make them wait. Raises BadAnswer, JobFailed.
    """
    address = Address.of(base_url)
    upload = submit.upload(address.authority, pdf)
    free: list[Connection] = []

    async def one(due: float) -> float:
        await asyncio.sleep(due - time.perf_counter())
        connection = free.pop() if free else await _opened(opened, address)
        path = await submit.submit(connection, upload)
        poll = submit.poll(address.authority, path)
        while not submit.is_done(await connection.exchange(poll)):
            pass
        free.append(connection)
        return (time.perf_counter() - due) * 1000

    with ExitStack() as opened:
        begin = time.perf_counter() + 0.1
        return await asyncio.gather(*(one(begin + number / per_second) for number in range(documents)))


async def _opened(opened: ExitStack, address: Address) -> Connection:
    return opened.enter_context(closing(await Connection.open(address)))
