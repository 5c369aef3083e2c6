"""The tables `webhook_deliveries` and `webhook_attempts`, as those who deliver see them."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.results.records import JobRecord
from services.results.runs import EndedRun
from services.results.store.documents import as_json
from services.results.webhooks import ends
from services.results.webhooks.records import Claimed, DeliveryRecord, Outcome, SecretVersion

NAMES = tuple(field.name for field in fields(DeliveryRecord))
COLUMNS = ", ".join(f"d.{name}" for name in NAMES)

_ENDED = text(f"""
    INSERT INTO webhook_deliveries AS d (id, organization_id, user_id, event, job_id, run_id, document_id, job_type,
                                         lane, url)
    SELECT new.id, new.organization_id, coalesce(o.user_id, new.user_id), new.event, new.job_id, new.run_id,
           new.document_id, new.job_type, new.lane, new.url
    FROM jsonb_to_recordset(CAST(:ended AS jsonb)) AS new (
        id uuid, organization_id uuid, user_id uuid, event text, job_id uuid, run_id uuid, document_id uuid,
        job_type text, lane text, url text)
    LEFT JOIN documents o ON o.id = new.document_id
    ON CONFLICT (id) DO NOTHING
    RETURNING {COLUMNS}
""")
_INSERT = text(f"""
    INSERT INTO webhook_deliveries AS d (id, organization_id, user_id, event, job_type, lane, url)
    VALUES (:id, :organization_id, :user_id, :event, :job_type, :lane, :url)
    ON CONFLICT (id) DO NOTHING
    RETURNING {COLUMNS}
""")
# One holder an attempt: whoever comes with another count has an attempt in hand that was made, or begun, before.
_CLAIM = text(f"""
    UPDATE webhook_deliveries d
    SET attempts = attempts + 1, tried = tried + 1,
        next_attempt_at = now() + make_interval(secs => :lease), check_at = now() + make_interval(secs => :lease)
    WHERE id = :id AND state = 'pending' AND attempts = :attempts
    RETURNING {COLUMNS}, tried, CAST(extract(epoch FROM now() - begun_at) AS float8) AS age,
              (SELECT s.version FROM webhook_secrets s WHERE s.organization_id = d.organization_id) AS version,
              (SELECT s.rotated_at FROM webhook_secrets s WHERE s.organization_id = d.organization_id) AS rotated_at
""")
_NOTE = text("""
    WITH made AS (
        INSERT INTO webhook_attempts (delivery_id, number, status_code, error, duration_ms)
        SELECT id, :attempts, :status_code, :error, :duration_ms FROM webhook_deliveries WHERE id = :id
        ON CONFLICT DO NOTHING
    )
    UPDATE webhook_deliveries
    SET state = :state, last_status_code = :status_code, last_error = :error,
        next_attempt_at = now() + make_interval(secs => CAST(:pause AS float8)),
        check_at = now() + make_interval(secs => CAST(:pause AS float8)),
        delivered_at = CASE WHEN :state = 'delivered' THEN now() END
    WHERE id = :id AND attempts = :attempts AND state = 'pending'
""")
_DUE = text(f"""
    UPDATE webhook_deliveries d SET check_at = now() + interval '30 seconds'
    WHERE id IN (SELECT id FROM webhook_deliveries WHERE check_at < now()
                 ORDER BY check_at LIMIT :limit FOR UPDATE SKIP LOCKED)
    RETURNING {COLUMNS}
""")
# Those whose message may be lost; attempts in hand, and those that are not due, have a later time.
_CHECK_ALL = text("""
    UPDATE webhook_deliveries SET check_at = now() WHERE check_at IS NOT NULL AND next_attempt_at <= now()
""")
_FORGET = text("""
    DELETE FROM webhook_deliveries WHERE check_at IS NULL AND begun_at < now() - make_interval(days => :days)
""")


class Webhooks:
    """Deliveries of all organizations."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self.new: list[DeliveryRecord] = []
        """Deliveries that this transaction has made; they are to be handed out when it is committed."""

    async def ended(self, jobs: Iterable[JobRecord]) -> None:
        """Makes a delivery for each of the jobs that has ended and names a URL; none, and no statement, for others.

        Its id follows from the end, so that one end makes one delivery.
        """
        await self._tell([ends.of_job(job) for job in jobs if job.ended and job.config.get("callback_url")])

    async def runs_ended(self, runs: Iterable[EndedRun]) -> None:
        """Makes a delivery for each of the runs, all of which name a URL; one end makes one delivery, as with jobs."""
        await self._tell([ends.of_run(ended) for ended in runs])

    async def _tell(self, ended: Sequence[DeliveryRecord]) -> None:
        if ended:
            rows = await self._connection.execute(_ENDED, {"ended": as_json([vars(one) for one in ended])})
            self.new += map(delivery, rows)

    async def insert(self, record: DeliveryRecord) -> DeliveryRecord | None:
        """Records a delivery that no job makes, as it is then; None when its id was there before."""
        row = (await self._connection.execute(_INSERT, vars(record))).one_or_none()
        return delivery(row) if row else None

    async def claim(self, delivery_id: UUID, attempts: int, lease: float) -> Claimed | None:
        """The attempt after so many, for the caller alone; it is given to others when the lease, seconds, is over.

        None when it is not to be made: others have, or the delivery has ended.
        """
        values = {"id": delivery_id, "attempts": attempts, "lease": lease}
        row = (await self._connection.execute(_CLAIM, values)).one_or_none()
        if row is None:
            return None
        return Claimed(delivery(row), row.tried, row.age, SecretVersion(row.version or 1, row.rotated_at))

    async def note(self, claimed: DeliveryRecord, outcome: Outcome, pause: float | None) -> None:
        """What came of an attempt that was claimed, and in how many seconds the next one is due; None: never."""
        state = "delivered" if not outcome.error else "failed" if pause is None else "pending"
        values = {
            "id": claimed.id,
            "attempts": claimed.attempts,
            "state": state,
            "status_code": outcome.status_code,
            "error": outcome.error,
            "duration_ms": round(outcome.seconds * 1000),
            "pause": pause,
        }
        await self._connection.execute(_NOTE, values)

    async def due(self, limit: int) -> Sequence[DeliveryRecord]:
        """Deliveries whose attempt is due and may not have been handed out, each for one replica alone."""
        return [delivery(row) for row in await self._connection.execute(_DUE, {"limit": limit})]

    async def check_all(self) -> None:
        """Makes due whatever was handed out: the broker may have lost it."""
        await self._connection.execute(_CHECK_ALL)

    async def forget(self, days: int) -> None:
        """Forgets deliveries that ended, and began so many days ago."""
        await self._connection.execute(_FORGET, {"days": days})


def delivery(row: Row[Any]) -> DeliveryRecord:
    """The record of a row with COLUMNS."""
    return DeliveryRecord(**{name: row._mapping[name] for name in NAMES})
