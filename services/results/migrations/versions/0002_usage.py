"""usage: what was used, beside the records that may be deleted"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Rows are only ever added, each in the statement that makes the thing it counts, so that both are there or neither.
USAGE = """
CREATE TABLE usage (
    organization_id uuid NOT NULL,
    at              timestamptz NOT NULL DEFAULT now(),
    documents       integer NOT NULL DEFAULT 0,
    pages           integer NOT NULL DEFAULT 0,
    tokens          bigint NOT NULL DEFAULT 0,
    storage_bytes   bigint NOT NULL DEFAULT 0
)
"""
# Totals of each gateway process: a larger one replaces a smaller.
CALLS = """
CREATE TABLE calls (
    organization_id uuid NOT NULL,
    day             date NOT NULL,
    gateway_id      uuid NOT NULL,
    calls           bigint NOT NULL,
    PRIMARY KEY (organization_id, day, gateway_id)
)
"""
UNTIL_NOW = (
    """
    INSERT INTO usage (organization_id, at, documents, storage_bytes)
    SELECT organization_id, created_at, 1, file_size FROM documents
    """,
    """
    INSERT INTO usage (organization_id, at, storage_bytes)
    SELECT organization_id, deleted_at, -file_size FROM documents WHERE deleted_at IS NOT NULL
    """,
    """
    INSERT INTO usage (organization_id, at, pages)
    SELECT d.organization_id, d.created_at, count(*) FROM pages p JOIN documents d ON d.id = p.document_id
    WHERE p.problem_code IS NULL GROUP BY d.id
    """,
    """
    INSERT INTO usage (organization_id, at, tokens)
    SELECT d.organization_id, a.created_at, a.total_tokens FROM analyses a JOIN documents d ON d.id = a.document_id
    WHERE a.total_tokens > 0
    """,
)


def upgrade() -> None:
    for statement in (USAGE, CALLS, *UNTIL_NOW):
        op.execute(statement)
    op.execute("CREATE INDEX usage_by_time ON usage (organization_id, at)")


def downgrade() -> None:
    op.execute("DROP TABLE usage")
    op.execute("DROP TABLE calls")
