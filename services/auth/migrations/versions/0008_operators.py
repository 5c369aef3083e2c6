"""What operators set of organizations, what they did, and generations of organizations."""

from alembic import op

revision = "0008"
down_revision = "0007"

_UP = (
    """
    ALTER TABLE organizations
        ADD generation integer NOT NULL DEFAULT 1,
        ADD requests_per_second integer CHECK (requests_per_second > 0),
        ADD requests_per_minute integer CHECK (requests_per_minute > 0),
        ADD requests_per_hour integer CHECK (requests_per_hour > 0)
    """,
    """
    CREATE TABLE operator_actions (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        operator text NOT NULL,
        action text NOT NULL,
        organization_id uuid,
        user_id uuid,
        details jsonb NOT NULL,
        occurred_at timestamptz NOT NULL DEFAULT now(),
        published_at timestamptz
    )
    """,
    "CREATE INDEX operator_actions_unpublished ON operator_actions (id) WHERE published_at IS NULL",
    "CREATE INDEX operator_actions_organization ON operator_actions (organization_id, id)",
)
_DOWN = (
    "DROP TABLE operator_actions",
    """
    ALTER TABLE organizations
        DROP requests_per_hour, DROP requests_per_minute, DROP requests_per_second, DROP generation
    """,
)


def upgrade() -> None:
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in _DOWN:
        op.execute(statement)
