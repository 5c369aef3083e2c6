"""webhooks: word of jobs that have ended, on its way to receivers"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# Ids and URLs, nothing of any content; a row says all that its event says, so it outlives its job. `user_id` is whose
# document it is about. `tried` counts attempts since `begun_at`, when it was made or delivered again, and `check_at` is
# when somebody must look after it: NULL once it has ended.
DELIVERIES = """
CREATE TABLE webhook_deliveries (
    id               uuid PRIMARY KEY,
    organization_id  uuid NOT NULL,
    user_id          uuid NOT NULL,
    event            text NOT NULL,
    job_id           uuid,
    document_id      uuid,
    job_type         text NOT NULL,
    lane             text NOT NULL,
    url              text NOT NULL,
    state            text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed')),
    attempts         integer NOT NULL DEFAULT 0,
    tried            integer NOT NULL DEFAULT 0,
    last_status_code integer NOT NULL DEFAULT 0,
    last_error       text NOT NULL DEFAULT '',
    begun_at         timestamptz NOT NULL DEFAULT now(),
    next_attempt_at  timestamptz DEFAULT now(),
    check_at         timestamptz DEFAULT now() + interval '2 seconds',
    created_at       timestamptz NOT NULL DEFAULT now(),
    delivered_at     timestamptz
)
"""
BY_TIME = "CREATE INDEX webhook_deliveries_by_time ON webhook_deliveries (organization_id, created_at DESC, id DESC)"
BY_JOB = "CREATE INDEX webhook_deliveries_by_job ON webhook_deliveries (job_id)"
DUE = "CREATE INDEX webhook_deliveries_due ON webhook_deliveries (check_at) WHERE check_at IS NOT NULL"
AGE = "CREATE INDEX webhook_deliveries_by_age ON webhook_deliveries (begun_at) WHERE check_at IS NULL"
ATTEMPTS = """
CREATE TABLE webhook_attempts (
    delivery_id uuid NOT NULL REFERENCES webhook_deliveries (id) ON DELETE CASCADE,
    number      integer NOT NULL,
    at          timestamptz NOT NULL DEFAULT now(),
    status_code integer NOT NULL,
    error       text NOT NULL,
    duration_ms integer NOT NULL,
    PRIMARY KEY (delivery_id, number)
)
"""
# Organizations that have rotated their secret; everybody else's has version 1. No secret is stored.
SECRETS = """
CREATE TABLE webhook_secrets (
    organization_id uuid PRIMARY KEY,
    version         integer NOT NULL,
    rotated_at      timestamptz NOT NULL,
    request_id      uuid
)
"""


def upgrade() -> None:
    for statement in (DELIVERIES, BY_TIME, BY_JOB, DUE, AGE, ATTEMPTS, SECRETS):
        op.execute(statement)


def downgrade() -> None:
    for table in ("webhook_secrets", "webhook_attempts", "webhook_deliveries"):
        op.execute(f"DROP TABLE {table}")
