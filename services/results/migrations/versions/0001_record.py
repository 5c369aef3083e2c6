"""documents, jobs, pages, analyses, and the outbox of tasks"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

DOCUMENTS = """
CREATE TABLE documents (
    id                uuid PRIMARY KEY,
    organization_id   uuid NOT NULL,
    user_id           uuid NOT NULL,
    filename          text NOT NULL,
    original_filename text NOT NULL,
    file_size         bigint NOT NULL,
    mime_type         text NOT NULL,
    sha256            text NOT NULL,
    storage_key       text NOT NULL,
    state             text NOT NULL,
    page_count        integer,
    metadata          jsonb NOT NULL DEFAULT '{}',
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    deleted_at        timestamptz
)
"""
JOBS = """
CREATE TABLE jobs (
    id              uuid PRIMARY KEY,
    organization_id uuid NOT NULL,
    user_id         uuid NOT NULL,
    document_id     uuid NOT NULL REFERENCES documents ON DELETE CASCADE,
    type            text NOT NULL,
    priority        integer NOT NULL,
    config          jsonb NOT NULL,
    state           text NOT NULL,
    stage           text NOT NULL,
    progress        integer NOT NULL,
    pages_total     integer NOT NULL DEFAULT 0,
    pages_done      integer NOT NULL DEFAULT 0,
    pages_failed    integer NOT NULL DEFAULT 0,
    pages_ocr       integer NOT NULL DEFAULT 0,
    text_length     bigint NOT NULL DEFAULT 0,
    table_count     integer NOT NULL DEFAULT 0,
    result          jsonb,
    error           jsonb,
    attempts        integer NOT NULL DEFAULT 0,
    revision        bigint NOT NULL DEFAULT 1,
    started_at      timestamptz,
    completed_at    timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now()
)
"""
PAGES = """
CREATE TABLE pages (
    document_id     uuid NOT NULL REFERENCES documents ON DELETE CASCADE,
    number          integer NOT NULL,
    width           real NOT NULL,
    height          real NOT NULL,
    source          text NOT NULL,
    language        text NOT NULL,
    confidence      real,
    text            text NOT NULL,
    table_count     integer NOT NULL,
    engine          text NOT NULL,
    layout          bytea NOT NULL,
    layout_key      text NOT NULL,
    problem_code    text,
    problem_message text,
    PRIMARY KEY (document_id, number)
)
"""
ANALYSES = """
CREATE TABLE analyses (
    id                 uuid PRIMARY KEY,
    document_id        uuid NOT NULL REFERENCES documents ON DELETE CASCADE,
    job_id             uuid NOT NULL UNIQUE REFERENCES jobs ON DELETE CASCADE,
    analysis_type      text NOT NULL,
    result_data        jsonb NOT NULL,
    confidence         real NOT NULL,
    model_version      text NOT NULL,
    processing_time_ms bigint NOT NULL,
    input_tokens       bigint NOT NULL,
    output_tokens      bigint NOT NULL,
    total_tokens       bigint NOT NULL,
    cost_usd           double precision,
    prompt_sha256      text NOT NULL,
    started_at         timestamptz,
    created_at         timestamptz NOT NULL DEFAULT now()
)
"""
# A row is the intent to publish and, until the task is done and the row deleted, the proof that it is unfinished.
TASKS = """
CREATE TABLE tasks (
    id          uuid PRIMARY KEY,
    job_id      uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
    kind        text NOT NULL,
    lane        text NOT NULL,
    pages       integer[] NOT NULL,
    payload     bytea NOT NULL,
    headers     jsonb NOT NULL DEFAULT '{}',
    attempt     integer NOT NULL DEFAULT 1,
    sequence    bigint,
    check_at    timestamptz NOT NULL DEFAULT now() + interval '2 seconds',
    created_at  timestamptz NOT NULL DEFAULT now()
)
"""


def upgrade() -> None:
    for statement in (DOCUMENTS, JOBS, PAGES, ANALYSES, TASKS):
        op.execute(statement)
    op.execute("CREATE INDEX documents_by_age ON documents (organization_id, created_at DESC) WHERE deleted_at IS NULL")
    op.execute("CREATE INDEX jobs_by_age ON jobs (organization_id, created_at DESC)")
    op.execute("CREATE INDEX jobs_by_document ON jobs (document_id, created_at)")
    op.execute("CREATE INDEX analyses_by_document ON analyses (document_id, created_at DESC)")
    op.execute("CREATE INDEX tasks_by_job ON tasks (job_id)")
    op.execute("CREATE INDEX tasks_to_check ON tasks (check_at)")


def downgrade() -> None:
    for table in ("tasks", "analyses", "pages", "jobs", "documents"):
        op.execute(f"DROP TABLE {table}")
