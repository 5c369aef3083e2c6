"""runs, the jobs of each, and what of an organization is unfinished"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

RUNS = """
CREATE TABLE runs (
    id              uuid PRIMARY KEY,
    organization_id uuid NOT NULL,
    user_id         uuid NOT NULL,
    document_id     uuid NOT NULL REFERENCES documents ON DELETE CASCADE,
    asked           jsonb NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now()
)
"""
# A job can be of several runs: that which reads a document, when runs on the document come before it has ended.
RUN_JOBS = """
CREATE TABLE run_jobs (
    run_id   uuid NOT NULL REFERENCES runs ON DELETE CASCADE,
    job_id   uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
    position integer NOT NULL,
    PRIMARY KEY (run_id, job_id)
)
"""


def upgrade() -> None:
    op.execute(RUNS)
    op.execute(RUN_JOBS)
    op.execute("CREATE INDEX runs_by_age ON runs (organization_id, created_at DESC)")
    op.execute("CREATE INDEX runs_by_document ON runs (document_id)")
    op.execute("CREATE INDEX run_jobs_by_job ON run_jobs (job_id)")
    op.execute("CREATE INDEX jobs_unfinished ON jobs (organization_id) WHERE state IN ('pending', 'running')")


def downgrade() -> None:
    op.execute("DROP INDEX jobs_unfinished")
    op.execute("DROP TABLE run_jobs")
    op.execute("DROP TABLE runs")
