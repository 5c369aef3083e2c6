"""States as the broker keeps them: JSON, compressed."""

import zlib
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from services.results.ephemeral.state import KeptRun, State
from services.results.records import DocumentRecord, JobRecord, NewTask, Problem
from services.results.runs import RunRecord
from services.results.webhooks.records import DeliveryRecord

_UUIDS = frozenset({"id", "organization_id", "user_id", "document_id", "job_id", "run_id"})


def packed(state: State) -> bytes:
    """The state as it is kept."""
    return zlib.compress(orjson.dumps(state, option=orjson.OPT_NON_STR_KEYS), 1)


def unpacked(payload: bytes) -> State:
    """The state that was kept."""
    kept: dict[str, Any] = orjson.loads(zlib.decompress(payload))
    return State(
        root_id=UUID(kept["root_id"]),
        expires_at=datetime.fromisoformat(kept["expires_at"]),
        document=DocumentRecord(**_restored(kept["document"])),
        jobs=[JobRecord(**_restored(job)) for job in kept["jobs"]],
        settled={int(number): _problem(problem) for number, problem in kept["settled"].items()},
        handed_out=[(UUID(job), NewTask(task["kind"], tuple(task["pages"]))) for job, task in kept["handed_out"]],
        tokens={UUID(job): tokens for job, tokens in kept["tokens"].items()},
        # An older release, while both run, knows nothing of these.
        languages=kept.get("languages", {}),
        runs=[_run(one) for one in kept.get("runs", ())],
        calls=[DeliveryRecord(**_restored(call)) for call in kept.get("calls", ())],
    )


def _run(kept: dict[str, Any]) -> KeptRun:
    return KeptRun(RunRecord(**_restored(kept["run"])), [UUID(job) for job in kept["jobs"]])


def _restored(values: dict[str, Any]) -> dict[str, Any]:
    """Fields of a record with their types: ids, moments, and what ended a job badly."""
    restored = {name: _value(name, value) for name, value in values.items()}
    if "error" in restored:
        restored["error"] = _problem(restored["error"])
    return restored


def _value(name: str, value: Any) -> Any:
    if value is not None and name in _UUIDS:
        return UUID(value)
    return datetime.fromisoformat(value) if value is not None and name.endswith("_at") else value


def _problem(value: dict[str, str] | None) -> Problem | None:
    return None if value is None else Problem(**value)
