"""Every JetStream stream, declared in one place, and the names of subjects.

| stream | subjects | what for |
| --- | --- | --- |
| WORK | `work.<kind>.<lane>` | tasks, deleted when acknowledged |
| FACTS | `facts.<service>` | what came of tasks, deleted when the record has it |
| EVENTS | `events.>` | what other services may follow, without content, kept 7 days |
| DEAD | `dead.<kind>.<job>` | tasks and facts given up, kept 30 days; see mesh/dead.py |
| QUOTA | `quota.<who>.<window>.<start>` | requests counted, in memory, kept 2 hours; see mesh/counters.py |
| IDEMPOTENCY | `idempotency.<who>.<name>` | answers to requests with a key, each for a time; see mesh/entries.py |

Zero-log work has streams of its own, in memory and bounded, whose messages all end by themselves; see docs/adr/0028:

| stream | subjects | what for |
| --- | --- | --- |
| WORK_EPHEMERAL | `zlwork.<kind>.<lane>.<job>` | as WORK; of kind `deliver` with the root for the job |
| FACTS_EPHEMERAL | `zlfacts.<service>.<job>` | as FACTS |
| EPHEMERAL | `ephemeral.<organization>.<root>.…` | what is known, pages, analyses and originals of one document |
| IDEMPOTENCY_EPHEMERAL | `zlidempotency.<who>.<name>` | as IDEMPOTENCY |

Status goes over plain subjects, `status.<organization>.<job>`: see docs/adr/0003-status-feed.md; so does word of jobs
that nobody wants any more, `cancel.<organization>.<job>`: see docs/adr/0024-stopping-work.md.
"""

from dataclasses import replace

from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig

LANES = ("high", "normal", "low")
IDENTITY_EVENTS = "events.identity"
"""Word of tokens that are dead and organizations that have changed, one subject a kind below this."""
OPERATOR_EVENTS = "events.operator"
"""What operators did, one subject an action below this."""
USAGE_EVENTS = "events.usage"
"""What organizations use, one subject a kind below this."""
CANCELLATIONS = "cancel.>"
"""Word of jobs that nobody wants any more."""
IDEMPOTENCY = "IDEMPOTENCY"
"""The stream of remembered answers."""
EPHEMERAL = "EPHEMERAL"
"""The stream of what zero-log work is about."""
WORK_EPHEMERAL = "WORK_EPHEMERAL"
FACTS_EPHEMERAL = "FACTS_EPHEMERAL"
IDEMPOTENCY_EPHEMERAL = "IDEMPOTENCY_EPHEMERAL"
LONGEST_ZERO_LOG_SECONDS = 3_600
"""How long zero-log work is kept at most."""
# Of the memory that zero-log work may take; what is left is for originals, pages and analyses.
_SHARES = {WORK_EPHEMERAL: 16, FACTS_EPHEMERAL: 8, IDEMPOTENCY_EPHEMERAL: 16}
_HOUR = 3_600.0
_DAY = 24 * _HOUR


def lane(priority: int) -> str:
    """The lane of a priority: 7–9 high, 4–6 normal, 0–3 low."""
    return "high" if priority >= 7 else "normal" if priority >= 4 else "low"


def work_subject(kind: str, lane_name: str) -> str:
    """Where tasks of a kind and lane go."""
    return f"work.{kind}.{lane_name}"


def fact_subject(service: str) -> str:
    """Where a service reports what came of its tasks."""
    return f"facts.{service}"


def ephemeral_work_subject(kind: str, lane_name: str, job_id: str) -> str:
    """Where a zero-log task goes; `*` as the job for all of a kind and lane. The job's are erased by its subject."""
    return f"zlwork.{kind}.{lane_name}.{job_id}"


def ephemeral_fact_subject(service: str, job_id: str) -> str:
    """Where a service reports what came of a zero-log task."""
    return f"zlfacts.{service}.{job_id}"


def ephemeral_subject(organization_id: str, root: str, name: str) -> str:
    """Where something of a zero-log document is kept; `>` as the name for all of it."""
    return f"ephemeral.{organization_id}.{root}.{name}"


def ephemeral_idempotency_subject(who: str, name: str) -> str:
    """Where a zero-log request with a key is remembered."""
    return f"zlidempotency.{who}.{name}"


def operator_subject(action: str) -> str:
    """Where word of what operators did goes; the action says what."""
    return f"{OPERATOR_EVENTS}.{action}"


def identity_subject(kind: str) -> str:
    """Where word of dead tokens goes; the kind says why."""
    return f"{IDENTITY_EVENTS}.{kind}"


def status_subject(organization_id: str, job_id: str) -> str:
    """Where a job's changes go."""
    return f"status.{organization_id}.{job_id}"


def cancel_subject(organization_id: str, job_id: str) -> str:
    """Where word goes that nobody wants the job any more."""
    return f"cancel.{organization_id}.{job_id}"


STATUS_NUMBER = "Pagemesh-Told"
"""Header of what is told on `status.>`: `<teller>:<number>`, by which gateways notice what they missed."""


STATUS_PULSES = "status.pulse."
"""Below this, by the header alone, whoever tells of jobs says how far the numbers are."""


def status_pulse(teller: str) -> str:
    """Where one of them does."""
    return f"{STATUS_PULSES}{teller}"


def quota_subject(who: str, window: str, start: int) -> str:
    """Where requests of an organization or address are counted; `start` is the window's first second, Unix time."""
    return f"quota.{who}.{window}.{start}"


def idempotency_subject(who: str, name: str) -> str:
    """Where a request with a key is remembered: under its organization, so that one can be forgotten whole."""
    return f"idempotency.{who}.{name}"


def declared(replicas: int, zero_log_bytes: int) -> list[StreamConfig]:
    """The streams as they must be, with so many copies in a cluster and so much memory for zero-log work."""
    return [*_lasting(replicas), *_ephemeral(replicas, zero_log_bytes)]


def _ephemeral(replicas: int, memory_bytes: int) -> list[StreamConfig]:
    """Streams whose messages end by their own time, or at the latest when no zero-log work can live any more."""
    shares = {name: memory_bytes // share for name, share in _SHARES.items()}
    common = StreamConfig(
        storage=StorageType.MEMORY,
        discard=DiscardPolicy.NEW,  # a flood is refused, and takes no more than its share
        max_age=LONGEST_ZERO_LOG_SECONDS + 60.0,
        allow_msg_ttl=True,
        allow_direct=True,
        num_replicas=replicas,
    )
    queue = replace(common, retention=RetentionPolicy.WORK_QUEUE, duplicate_window=120)
    entries = replace(common, retention=RetentionPolicy.LIMITS, max_msgs_per_subject=1)
    left = memory_bytes - sum(shares.values())
    return [
        replace(queue, name=WORK_EPHEMERAL, subjects=["zlwork.>"], max_bytes=shares[WORK_EPHEMERAL]),
        replace(queue, name=FACTS_EPHEMERAL, subjects=["zlfacts.>"], max_bytes=shares[FACTS_EPHEMERAL]),
        replace(entries, name=EPHEMERAL, subjects=["ephemeral.>"], max_bytes=left),
        replace(
            entries,
            name=IDEMPOTENCY_EPHEMERAL,
            subjects=["zlidempotency.>"],
            max_bytes=shares[IDEMPOTENCY_EPHEMERAL],
        ),
    ]


def _lasting(replicas: int) -> list[StreamConfig]:
    return [
        StreamConfig(
            name="WORK",
            subjects=["work.>"],
            retention=RetentionPolicy.WORK_QUEUE,
            storage=StorageType.FILE,
            discard=DiscardPolicy.NEW,
            duplicate_window=120,
            num_replicas=replicas,
            allow_direct=True,
        ),
        StreamConfig(
            name="FACTS",
            subjects=["facts.>"],
            retention=RetentionPolicy.WORK_QUEUE,
            storage=StorageType.FILE,
            duplicate_window=120,
            num_replicas=replicas,
            allow_direct=True,
        ),
        StreamConfig(
            name="EVENTS",
            subjects=["events.>"],
            retention=RetentionPolicy.LIMITS,
            storage=StorageType.FILE,
            max_age=7 * _DAY,
            duplicate_window=120,
            num_replicas=replicas,
        ),
        StreamConfig(
            name="DEAD",
            subjects=["dead.>"],
            retention=RetentionPolicy.LIMITS,
            storage=StorageType.FILE,
            max_age=30 * _DAY,
            num_replicas=replicas,
        ),
        StreamConfig(
            name="QUOTA",
            subjects=["quota.>"],
            retention=RetentionPolicy.LIMITS,
            storage=StorageType.MEMORY,
            max_age=2 * _HOUR,
            max_msgs_per_subject=1,
            allow_msg_counter=True,
            num_replicas=replicas,
        ),
        StreamConfig(
            name=IDEMPOTENCY,
            subjects=["idempotency.>"],
            retention=RetentionPolicy.LIMITS,
            storage=StorageType.FILE,
            discard=DiscardPolicy.NEW,
            max_msgs_per_subject=1,
            allow_msg_ttl=True,
            num_replicas=replicas,
        ),
    ]
