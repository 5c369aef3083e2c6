"""Names of subjects, and the streams as declared."""

import pytest
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType

from mesh import streams

EPHEMERAL = {"WORK_EPHEMERAL", "FACTS_EPHEMERAL", "EPHEMERAL", "IDEMPOTENCY_EPHEMERAL"}


@pytest.mark.parametrize(
    ("priority", "expected"),
    [(0, "low"), (3, "low"), (4, "normal"), (6, "normal"), (7, "high"), (9, "high")],
)
def test_priorities_have_lanes(priority: int, expected: str) -> None:
    """7–9 high, 4–6 normal, 0–3 low."""
    assert expected == streams.lane(priority)


def test_every_lane_is_served_in_order() -> None:
    """Workers go through the lanes from the highest priority down."""
    assert tuple(dict.fromkeys(streams.lane(priority) for priority in range(9, -1, -1))) == streams.LANES


def test_work_and_facts_survive_and_are_kept_until_done() -> None:
    """On disk, with as many copies as asked, and deleted only by an acknowledgement."""
    declared = {config.name: config for config in streams.declared(3, 64 << 20)}
    assert {"WORK", "FACTS", "EVENTS", "DEAD", "QUOTA", "IDEMPOTENCY", *EPHEMERAL} == set(declared)
    declared = {name: config for name, config in declared.items() if name not in {"QUOTA", *EPHEMERAL}}
    assert {(StorageType.FILE, 3)} == {(config.storage, config.num_replicas) for config in declared.values()}
    assert {RetentionPolicy.WORK_QUEUE} == {declared[name].retention for name in ("WORK", "FACTS")}
    assert [None, None] == [declared[name].max_age for name in ("WORK", "FACTS")]


def test_zero_log_streams_touch_no_disk_and_forget_by_themselves() -> None:
    """In memory, within the bytes that are given, refused when full, each message for a time of its own."""
    declared = [config for config in streams.declared(3, 64 << 20) if config.name in EPHEMERAL]
    assert {(StorageType.MEMORY, DiscardPolicy.NEW, True)} == {
        (config.storage, config.discard, config.allow_msg_ttl) for config in declared
    }
    assert 64 << 20 == sum(config.max_bytes or 0 for config in declared)
    assert all(config.max_age and 3_600 <= config.max_age <= 3_700 for config in declared)


def test_counts_are_kept_in_memory_past_the_longest_window() -> None:
    """Counting costs no write to a disk, and no count is forgotten before its hour has ended."""
    quota = next(config for config in streams.declared(3, 64 << 20) if config.name == "QUOTA")
    assert (StorageType.MEMORY, True, 1, 3) == (
        *(quota.storage, quota.allow_msg_counter, quota.max_msgs_per_subject),
        quota.num_replicas,
    )
    assert quota.max_age is not None
    assert quota.max_age >= 3600
    assert "quota.o.minute.60" == streams.quota_subject("o", "minute", 60)


def test_answers_are_kept_on_disk_one_a_key() -> None:
    """Each for the time that its writer names."""
    kept = next(config for config in streams.declared(1, 64 << 20) if config.name == streams.IDEMPOTENCY)
    assert (StorageType.FILE, 1, True, None) == (
        *(kept.storage, kept.max_msgs_per_subject),
        *(kept.allow_msg_ttl, kept.max_age),
    )
    assert "idempotency.o.name" == streams.idempotency_subject("o", "name")


def test_subjects_belong_to_their_streams() -> None:
    """What is published is stored by the stream that is read."""
    subjects = {config.name: config.subjects for config in streams.declared(1, 64 << 20)}
    assert (["work.>"], ["facts.>"], ["events.>"]) == (subjects["WORK"], subjects["FACTS"], subjects["EVENTS"])
    assert ("events.identity.key_revoked", "work.ocr.high", "facts.ocr", "status.o.j") == (
        streams.identity_subject("key_revoked"),
        streams.work_subject("ocr", "high"),
        streams.fact_subject("ocr"),
        streams.status_subject("o", "j"),
    )
