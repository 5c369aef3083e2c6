"""What is kept of tasks and facts that were given up, in the stream `DEAD`, and how it is found again.

A copy stands under `dead.<kind>.<job>`, so that all copies about a job can be erased with it; what belongs to no job
stands under `dead.<kind>`. Secrets, the fields that their protos mark with `debug_redact`, are not copied.
"""

import re

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from pagemesh.work.v1.work_pb2 import Fact, Task

STREAM = "DEAD"
FACT = "fact"
"""The kind of facts; every other kind is one of tasks."""
_ID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")


def copy(kind: str, payload: bytes) -> tuple[str, bytes]:
    """The subject and the bytes of a copy; what cannot be read is kept as it is."""
    message = parsed(kind, payload)
    if message is None:
        return f"dead.{kind}", payload
    redact(message)
    return f"dead.{kind}.{message.job_id}", message.SerializeToString()


def parsed(kind: str, payload: bytes) -> Task | Fact | None:
    """The task or fact; None for what is none, or about no job."""
    message: Task | Fact = Fact() if kind == FACT else Task()
    try:
        message.ParseFromString(payload)
    except DecodeError:
        return None
    return message if _ID.fullmatch(message.job_id) else None


def about_job(job_id: str) -> str:
    """The subjects of all copies about a job."""
    return f"dead.*.{job_id}"


def redact(message: Message) -> None:
    """Clears every secret in the message and in those inside it."""
    for field, value in message.ListFields():
        if field.GetOptions().debug_redact:
            message.ClearField(field.name)
        elif _is_ours(field):
            for inner in value if field.is_repeated else (value,):
                redact(inner)


def _is_ours(field: FieldDescriptor) -> bool:
    """Whether the field holds messages of ours; maps hold texts alone."""
    kind = field.message_type
    return kind is not None and kind.file.package.startswith("pagemesh.") and not kind.GetOptions().map_entry
