"""erasures: what was erased, nothing of what it was, and the receipts for it"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# A row is the intent to erase until `erased_at` is set, and from then on the proof. Jobs have rows that are part of
# their document's.
ERASURES = """
CREATE TABLE erasures (
    id              uuid PRIMARY KEY,
    organization_id uuid NOT NULL,
    user_id         uuid,
    kind            text NOT NULL,
    reason          text NOT NULL,
    part_of         uuid REFERENCES erasures ON DELETE CASCADE,
    digest          text NOT NULL DEFAULT '',
    blobs           integer,
    try_at          timestamptz NOT NULL DEFAULT now(),
    erased_at       timestamptz,
    objects         integer,
    receipt         text,
    key_id          text NOT NULL DEFAULT ''
)
"""
# What one replica alone does, and not at each sweep.
CHORES = """
CREATE TABLE chores (
    name   text PRIMARY KEY,
    due_at timestamptz NOT NULL
)
"""
INDEXES = (
    "CREATE INDEX erasures_by_age ON erasures (organization_id, erased_at DESC, id DESC) WHERE part_of IS NULL",
    "CREATE INDEX erasures_by_whole ON erasures (part_of) WHERE part_of IS NOT NULL",
    "CREATE INDEX erasures_to_do ON erasures (try_at) WHERE erased_at IS NULL AND part_of IS NULL",
    "CREATE INDEX erasures_done ON erasures (erased_at) WHERE part_of IS NULL",
    "CREATE INDEX erasures_by_key ON erasures (key_id) WHERE erased_at IS NOT NULL AND part_of IS NULL",
    "CREATE INDEX documents_deleted ON documents (deleted_at) WHERE deleted_at IS NOT NULL",
    "CREATE INDEX documents_by_original ON documents (storage_key)",
)


def upgrade() -> None:
    for statement in (ERASURES, CHORES, *INDEXES):
        op.execute(statement)
    op.execute("INSERT INTO chores (name, due_at) VALUES ('orphans', now())")


def downgrade() -> None:
    op.execute("DROP INDEX documents_by_original")
    op.execute("DROP INDEX documents_deleted")
    op.execute("DROP TABLE chores")
    op.execute("DROP TABLE erasures")
