"""Whether a caller may see a job that the feed remembers: `results` knows whose documents members may see."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from mesh.identity import Identity
from pagemesh.results.v1 import job_pb2
from services.gateway.feed import Feed

_REMEMBERED_SECONDS = 5.0
_CAPACITY = 10_000


class JobAccess:
    """Answers of `results`, at most 5 s old. Admins see every job, and everybody that of their own upload."""

    def __init__(self, feed: Feed, ask: Callable[[str], Awaitable[job_pb2.Job]]) -> None:
        self._feed = feed
        self._ask = ask
        self._granted: OrderedDict[tuple[str, str, str], float] = OrderedDict()

    def is_known(self, caller: Identity, job_id: str) -> bool:
        """Whether the caller may see the job, as far as can be told without asking."""
        if caller.role == "admin":
            return True
        entry = self._feed.warm((caller.organization_id, job_id))
        if entry is not None and _is_upload_of(entry.job, caller):
            return True
        return self._granted.get((caller.organization_id, caller.user_id, job_id), 0.0) > time.monotonic()

    async def require(self, caller: Identity, job_id: str) -> None:
        """Raises NotFound unless the caller may see the job, and whatever asking raises."""
        if self.is_known(caller, job_id):
            return
        self._feed.offer(await self._ask(job_id))
        key = (caller.organization_id, caller.user_id, job_id)
        self._granted[key] = time.monotonic() + _REMEMBERED_SECONDS
        self._granted.move_to_end(key)
        if len(self._granted) > _CAPACITY:
            self._granted.popitem(last=False)


def _is_upload_of(job: job_pb2.Job, caller: Identity) -> bool:
    return job.type != job_pb2.JOB_TYPE_ANALYSIS and job.user_id == caller.user_id
