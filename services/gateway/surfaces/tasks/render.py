"""Messages of the services as the answers that clients get."""

from datetime import timedelta
from typing import Any, cast

from google.protobuf.timestamp_pb2 import Timestamp

from pagemesh.results.v1 import analysis_pb2, job_pb2
from pagemesh.results.v1.templates_pb2 import Template
from services.gateway.surfaces.platform import render as platform
from services.gateway.surfaces.tasks import models, shapes

STATUSES: dict["job_pb2.JobState.ValueType", models.TaskState] = {
    job_pb2.JOB_STATE_PENDING: "PENDING",
    job_pb2.JOB_STATE_RUNNING: "PROCESSING",
    job_pb2.JOB_STATE_COMPLETED: "COMPLETED",
    job_pb2.JOB_STATE_FAILED: "FAILED",
    job_pb2.JOB_STATE_CANCELLED: "CANCELLED",
}


def accepted(job: job_pb2.Job, retention_days: int) -> shapes.AcceptedTask:
    """A task that was just accepted: work on it may have begun, but the answer speaks of its acceptance."""
    expires = Timestamp()
    expires.FromDatetime(job.created_at.ToDatetime() + timedelta(days=retention_days))
    return {
        "task_id": job.id,
        "status": "PENDING",
        "created_at": platform.time(job.created_at),
        "expires_at": platform.time(expires),
    }


def task(job: job_pb2.Job, found: analysis_pb2.Analysis | None = None) -> shapes.Task:
    """A task, with what it found."""
    told: shapes.Task = {
        "task_id": job.id,
        "status": STATUSES.get(job.state, "PENDING"),
        "progress": job.progress,
        "created_at": platform.time(job.created_at),
        "updated_at": platform.time(job.updated_at),
        "estimated_seconds_left": platform.seconds_left(job),
    }
    if found is not None:
        told["result"] = _result(found)
    if job.HasField("error"):
        told["error"] = {"code": job.error.code, "message": job.error.message}
    return told


def _result(found: analysis_pb2.Analysis) -> shapes.TaskResult:
    analysis = platform.analysis(found)
    return {
        "analysis_type": analysis["analysis_type"],
        "result_data": analysis["result_data"],
        "confidence_score": analysis["confidence_score"],
        "model_version": analysis["model_version"],
        "processing_time_ms": analysis["processing_time_ms"],
        "token_usage": analysis["token_usage"],
        "cost_usd": analysis["cost_usd"],
        "provenance": analysis["provenance"],
    }


def template(one: Template) -> shapes.Template:
    """A template."""
    schema = platform.plain(one.output_schema) if one.HasField("output_schema") else None
    return {
        "name": one.name,
        "version": one.version,
        "description": one.description,
        "instructions": one.instructions,
        "output_schema": cast("dict[str, Any] | None", schema),
        "model": one.model or None,
        "variables": [
            {
                "name": variable.name,
                "description": variable.description,
                "default": variable.default if variable.HasField("default") else None,
                "required": variable.required,
            }
            for variable in one.variables
        ],
        "built_in": one.built_in,
        "created_at": platform.time(one.created_at) if one.HasField("created_at") else None,
    }
