"""Every JetStream stream, declared in one place, and the names of subjects.

| stream | subjects | what for |
| --- | --- | --- |
| WORK | `work.<kind>.<lane>` | tasks, deleted when acknowledged |
| FACTS | `facts.<service>` | what came of tasks, deleted when the record has it |
| EVENTS | `events.>` | what other services may follow, without content, kept 7 days |
| DEAD | `dead.<kind>.<job>` | tasks and facts given up, kept 30 days; see mesh/dead.py |
| QUOTA | `quota.<who>.<window>.<start>` | requests counted, in memory, kept 2 hours; see mesh/counters.py |
| IDEMPOTENCY | `idempotency.<who>.<name>` | answers to requests with a key, each for a time; see mesh/entries.py |

Status goes over plain subjects, `status.<organization>.<job>`: see docs/adr/0003-status-feed.md; so does word of jobs
that nobody wants any more, `cancel.<organization>.<job>`: see docs/adr/0024-stopping-work.md.
"""

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


def declared(replicas: int) -> list[StreamConfig]:
    """The streams as they must be, with so many copies in a cluster."""
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
