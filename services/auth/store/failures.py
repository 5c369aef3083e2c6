"""Failed logins."""

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import text

from services.auth.store.database import Database


class FailureStore(Database):
    """Counts of failed logins by subject, which is a hash."""

    async def seconds_refused(self, limits: Mapping[bytes, int]) -> int:
        """How long until every subject has fewer failures than its limit; 0 now."""
        values = {"subjects": list(limits), "limits": list(limits.values())}
        async with self._transaction() as connection:
            return int(await connection.scalar(_REFUSED, values) or 0)

    async def count_failure(self, subjects: list[bytes], window: timedelta) -> None:
        """Counts one for each; a window begins with its first failure."""
        async with self._transaction() as connection:
            for subject in sorted(subjects):  # in one order, so that none waits for another in a circle
                await connection.execute(_COUNT, {"subject": subject, "window": window})

    async def forget_failures(self, subject: bytes) -> None:
        """Counts from the beginning."""
        async with self._transaction() as connection:
            await connection.execute(_FORGET, {"subject": subject})


_REFUSED = text("""
    SELECT max(ceil(extract(epoch FROM f.expires_at - now())))
    FROM login_failures f
    JOIN unnest(CAST(:subjects AS bytea[]), CAST(:limits AS integer[])) AS l (subject, most) ON l.subject = f.subject
    WHERE f.failures >= l.most AND f.expires_at > now()
""")
_COUNT = text("""
    INSERT INTO login_failures AS f (subject, failures, expires_at)
    VALUES (:subject, 1, now() + CAST(:window AS interval))
    ON CONFLICT (subject) DO UPDATE SET
        failures = CASE WHEN f.expires_at > now() THEN f.failures + 1 ELSE 1 END,
        expires_at = CASE WHEN f.expires_at > now() THEN f.expires_at ELSE excluded.expires_at END
""")
_FORGET = text("DELETE FROM login_failures WHERE subject = :subject")
