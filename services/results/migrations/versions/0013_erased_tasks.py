"""erased tasks and texts of runs: named by the id that callers know, and not by their document's"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE erasures ADD COLUMN known_as uuid")


def downgrade() -> None:
    op.execute("UPDATE erasures SET kind = 'document' WHERE known_as IS NOT NULL")
    op.execute("ALTER TABLE erasures DROP COLUMN known_as")
