"""jobs: tasks that are taken back, what work is expected to take, and how fast it was done of late"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# A task of a cancelled job stays until its message has been taken back from the broker.
WITHDRAWN = "ALTER TABLE tasks ADD COLUMN withdrawn boolean NOT NULL DEFAULT false"
ESTIMATE = "ALTER TABLE jobs ADD COLUMN estimated_seconds_left integer"
# Measured by each replica and added up; what a crash of the server loses is measured anew.
RATES = """
CREATE UNLOGGED TABLE rates (
    replica     uuid NOT NULL,
    kind        text NOT NULL,
    per_second  double precision NOT NULL,
    measured_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (replica, kind)
)
"""


def upgrade() -> None:
    for statement in (WITHDRAWN, ESTIMATE, RATES):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE rates")
    op.execute("ALTER TABLE jobs DROP COLUMN estimated_seconds_left")
    op.execute("ALTER TABLE tasks DROP COLUMN withdrawn")
