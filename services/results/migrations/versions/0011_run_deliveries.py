"""webhook deliveries that are about runs"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE webhook_deliveries ADD COLUMN run_id uuid")


def downgrade() -> None:
    op.execute("DELETE FROM webhook_deliveries WHERE run_id IS NOT NULL")
    op.execute("ALTER TABLE webhook_deliveries DROP COLUMN run_id")
