"""Failed logins, counted."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE login_failures (
            subject bytea PRIMARY KEY,
            failures integer NOT NULL,
            expires_at timestamptz NOT NULL
        )
        """
    )
    op.execute("CREATE INDEX login_failures_expiry ON login_failures (expires_at)")


def downgrade() -> None:
    op.execute("DROP TABLE login_failures")
