"""Ends of jobs and runs as events. An event's id follows from the end, so that one end makes one delivery."""

from uuid import uuid5

from mesh.streams import lane
from services.results.records import JobRecord
from services.results.runs import EndedRun
from services.results.webhooks.records import DeliveryRecord


def of_job(job: JobRecord) -> DeliveryRecord:
    """What is told of a job that has ended and names a URL."""
    return DeliveryRecord(
        id=uuid5(job.id, f"{job.state} {job.attempts}"),
        organization_id=job.organization_id,
        user_id=job.user_id,
        event=f"job.{job.state}",
        url=job.config["callback_url"],
        lane=lane(job.priority),
        job_id=job.id,
        document_id=job.document_id,
        job_type=job.type,
    )


def of_run(ended: EndedRun) -> DeliveryRecord:
    """What is told of a run that names a URL."""
    run = ended.run
    return DeliveryRecord(
        id=uuid5(run.id, f"{ended.state} {ended.attempts}"),
        organization_id=run.organization_id,
        user_id=run.user_id,
        event=f"run.{ended.state}",
        url=run.asked["callback_url"],
        lane=lane(run.asked.get("priority", 0)),
        document_id=None if "text" in run.asked["source"] else run.document_id,  # a text is no document
        run_id=run.id,
    )
