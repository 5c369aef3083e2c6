"""waiting deliveries: found without a look at those of the last months"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE INDEX webhook_deliveries_waiting ON webhook_deliveries (organization_id) WHERE state = 'pending'"
    )


def downgrade() -> None:
    op.execute("DROP INDEX webhook_deliveries_waiting")
