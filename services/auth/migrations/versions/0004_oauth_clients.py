"""OAuth clients and their secrets."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE oauth_clients (
            id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
            organization_id uuid NOT NULL REFERENCES organizations,
            name text NOT NULL,
            scopes text[] NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            deleted_at timestamptz
        )
        """
    )
    op.execute("CREATE INDEX oauth_clients_organization ON oauth_clients (organization_id, created_at)")
    op.execute(
        """
        CREATE TABLE oauth_secrets (
            secret_hash bytea PRIMARY KEY,
            client_id uuid NOT NULL REFERENCES oauth_clients ON DELETE CASCADE,
            created_at timestamptz NOT NULL DEFAULT now(),
            expires_at timestamptz
        )
        """
    )
    op.execute("CREATE INDEX oauth_secrets_client ON oauth_secrets (client_id)")


def downgrade() -> None:
    op.execute("DROP TABLE oauth_secrets")
    op.execute("DROP TABLE oauth_clients")
