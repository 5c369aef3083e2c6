"""Accounts that providers sign in: identities elsewhere, verified addresses, accounts without a password."""

import secrets

from alembic import op
from argon2 import PasswordHasher
from sqlalchemy import text

revision = "0006"
down_revision = "0005"

_UP = (
    "ALTER TABLE users ALTER password_hash DROP NOT NULL",
    "ALTER TABLE users ADD email_verified_at timestamptz",
    """
    CREATE TABLE external_identities (
        issuer text NOT NULL,
        subject text NOT NULL,
        user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
        linked_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (issuer, subject)
    )
    """,
    "CREATE INDEX external_identities_user ON external_identities (user_id)",
    """
    CREATE TABLE spent_states (
        fingerprint bytea PRIMARY KEY,
        expires_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX spent_states_expiry ON spent_states (expires_at)",
)
_DOWN = (
    "DROP TABLE spent_states",
    "DROP TABLE external_identities",
    "ALTER TABLE users DROP email_verified_at",
    "ALTER TABLE users ALTER password_hash SET NOT NULL",
)


def upgrade() -> None:
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    nobodys = PasswordHasher().hash(secrets.token_hex())  # of a password that nobody knows
    op.execute(text("UPDATE users SET password_hash = :hash WHERE password_hash IS NULL").bindparams(hash=nobodys))
    for statement in _DOWN:
        op.execute(statement)
