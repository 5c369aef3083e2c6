"""zero-log work: which there was, for how long, and how much of it; nothing of what it was about"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# A row is a job. What it is about is under its root in the broker's memory: a zero-log document, or the job itself
# where the document is an ordinary one.
EPHEMERAL = """
CREATE TABLE ephemeral (
    id              uuid PRIMARY KEY,
    root_id         uuid NOT NULL,
    document_id     uuid NOT NULL,
    organization_id uuid NOT NULL,
    user_id         uuid NOT NULL,
    kind            text NOT NULL,
    pages           integer NOT NULL DEFAULT 0,
    tokens          bigint NOT NULL DEFAULT 0,
    created_at      timestamptz NOT NULL DEFAULT now(),
    expires_at      timestamptz NOT NULL,
    ended_at        timestamptz,
    erased_at       timestamptz,
    deleted_at      timestamptz
)
"""


def upgrade() -> None:
    op.execute(EPHEMERAL)
    op.execute("CREATE INDEX ephemeral_by_document ON ephemeral (document_id)")
    op.execute("CREATE INDEX ephemeral_unerased ON ephemeral (expires_at) WHERE erased_at IS NULL")
    op.execute("CREATE INDEX ephemeral_by_time ON ephemeral (expires_at)")


def downgrade() -> None:
    op.execute("DROP TABLE ephemeral")
