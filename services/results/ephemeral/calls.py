"""Who is told of zero-log jobs and runs that have ended.

What is to be told is part of the state, so that an end and the intent to tell of it are there together or not at all.
That somebody is to be told is work, on the broker's memory like all other, and is handed out before the state is
written: whoever takes it finds the end in the state, or waits for it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from mesh.bus import Bus
from mesh.memory_blobs import seconds_until
from mesh.streams import ephemeral_work_subject
from pagemesh.work.v1.work_pb2 import DeliverTask, Task
from services.results.ephemeral.state import State
from services.results.runs import EndedRun
from services.results.webhooks import ends
from services.results.webhooks.outbox import KIND
from services.results.webhooks.records import DeliveryRecord

_PUBLISH_SECONDS = 3.0


def note_calls(state: State) -> list[DeliveryRecord]:
    """Takes up in the state what is to be told of ends that it has; those that are new to it."""
    known = {call.id for call in state.calls}
    new = [call for call in (*_of_jobs(state), *_of_runs(state)) if call.id not in known]
    state.calls += new
    return new


def call_task(state: State, call: DeliveryRecord) -> Task:
    """The first attempt at it. Nothing of URL or content is in it."""
    task = Task(
        id=str(call.id),
        job_id=str(call.job_id or call.run_id),
        organization_id=str(call.organization_id),
        deliver=DeliverTask(delivery_id=str(call.id), root_id=str(state.root_id)),
    )
    task.expires_at.FromDatetime(state.expires_at)
    return task


async def hand_out_call(bus: Bus, task: Task, lane: str, expires_at: datetime, headers: Mapping[str, str]) -> None:
    """Publishes an attempt; one that was published before is not published twice. Raises Unavailable."""
    await bus.publish(
        ephemeral_work_subject(KIND, lane, task.deliver.root_id),
        task.SerializeToString(),
        f"{task.id}.{task.attempt}",
        _PUBLISH_SECONDS,
        dict(headers),
        seconds_until(expires_at),
    )


def _of_jobs(state: State) -> Iterator[DeliveryRecord]:
    for job in state.jobs:
        if job.ended and job.config.get("callback_url"):
            yield replace(ends.of_job(job), created_at=job.completed_at)


def _of_runs(state: State) -> Iterator[DeliveryRecord]:
    for kept in state.runs:
        view = state.view(kept)
        if view.ended and kept.run.asked.get("callback_url"):
            attempts = sum(job.attempts for job in view.jobs)
            yield replace(ends.of_run(EndedRun(kept.run, view.state, attempts)), created_at=view.completed_at)
