"""Provider keys of users, encrypted; which master key wraps what."""

from alembic import op

revision = "0007"
down_revision = "0006"

_UP = (
    """
    CREATE TABLE provider_keys (
        user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
        provider text NOT NULL,
        masked_key text NOT NULL,
        master_key_id text NOT NULL,
        data_key bytea NOT NULL,
        sealed bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (user_id, provider)
    )
    """,
    # One row: the id of the master key that wraps. Replicas that know several agree by it.
    """
    CREATE TABLE master_key (
        is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
        key_id text NOT NULL,
        changed_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    # Absent for those that an older release made.
    "ALTER TABLE signing_keys ADD master_key_id text",
)


def upgrade() -> None:
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    op.execute("ALTER TABLE signing_keys DROP master_key_id")
    op.execute("DROP TABLE master_key")
    op.execute("DROP TABLE provider_keys")
