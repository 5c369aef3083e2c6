"""What answers about tasks and templates hold."""

from typing import Any, NotRequired

from typing_extensions import TypedDict

from services.gateway.surfaces.platform.shapes import AnalysisResult, JobError, Time, Uuid, ZeroLogged
from services.gateway.surfaces.tasks.models import TaskState


class AcceptedTask(TypedDict):
    """A task that was accepted; it is kept until `expires_at`."""

    task_id: Uuid
    status: TaskState
    created_at: Time
    expires_at: Time
    zero_log: NotRequired[ZeroLogged]


class TaskResult(AnalysisResult):
    """What a task found; `result_data` has the form of its analysis, or of the template's `output_schema`."""


class Task(TypedDict):
    """A task; `progress` 0 to 100, `result` when it is COMPLETED, `error` when it is FAILED."""

    task_id: Uuid
    status: TaskState
    progress: int
    created_at: Time
    updated_at: Time
    estimated_seconds_left: int | None
    result: NotRequired[TaskResult]
    error: NotRequired[JobError]
    zero_log: NotRequired[ZeroLogged]
    expires_at: NotRequired[Time]


class TaskList(TypedDict):
    """Tasks without their results, newest first."""

    items: list[Task]
    total: int
    page: int
    per_page: int
    pages: int


class Variable(TypedDict):
    """A value that whoever uses the template gives."""

    name: str
    description: str
    default: str | None
    required: bool


class Template(TypedDict):
    """A version of a template; `created_at` null: it is built in."""

    name: str
    version: int
    description: str
    instructions: str
    output_schema: dict[str, Any] | None
    model: str | None
    variables: list[Variable]
    built_in: bool
    created_at: Time | None


class TemplateList(TypedDict):
    """Newest versions of templates: the built-in ones, then the organization's own by name."""

    items: list[Template]
    total: int
    page: int
    per_page: int
    pages: int
