"""Events of identities, their outbox; generations, preferences and deletion of users; invitations."""

from alembic import op

revision = "0002"
down_revision = "0001"

_UP = (
    """
    CREATE TABLE identity_events (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        kind text NOT NULL,
        subject_id uuid NOT NULL,
        generation integer NOT NULL DEFAULT 0,
        occurred_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz NOT NULL,
        published_at timestamptz
    )
    """,
    "CREATE INDEX identity_events_unpublished ON identity_events (id) WHERE published_at IS NULL",
    "ALTER TABLE users ADD generation integer NOT NULL DEFAULT 1",
    "ALTER TABLE users ADD preferences jsonb NOT NULL DEFAULT '{}'",
    "ALTER TABLE users ADD deleted_at timestamptz",
    # The address of a deleted account is free again.
    "CREATE UNIQUE INDEX users_live_email ON users (lower(email)) WHERE deleted_at IS NULL",
    "DROP INDEX users_email",
    """
    CREATE TABLE invitations (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        organization_id uuid NOT NULL REFERENCES organizations,
        email text NOT NULL,
        role text NOT NULL CHECK (role IN ('user', 'admin')),
        token_hash bytea NOT NULL UNIQUE,
        created_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz NOT NULL
    )
    """,
    "CREATE UNIQUE INDEX invitations_email ON invitations (organization_id, lower(email))",
    "CREATE INDEX invitations_expiry ON invitations (expires_at)",
)
_DOWN = (
    "DROP TABLE invitations",
    "CREATE UNIQUE INDEX users_email ON users (lower(email))",
    "DROP INDEX users_live_email",
    "ALTER TABLE users DROP deleted_at",
    "ALTER TABLE users DROP preferences",
    "ALTER TABLE users DROP generation",
    "DROP TABLE identity_events",
)


def upgrade() -> None:
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in _DOWN:
        op.execute(statement)
