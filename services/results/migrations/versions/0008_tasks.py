"""text tasks: documents that are nobody's, and templates by which their texts are analysed"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# A version is never changed: results name the one that they were made by. Deleting a template marks its versions.
TEMPLATES = """
CREATE TABLE templates (
    organization_id uuid NOT NULL,
    name            text NOT NULL,
    version         integer NOT NULL,
    description     text NOT NULL,
    instructions    text NOT NULL,
    output_schema   jsonb,
    model           text NOT NULL,
    variables       jsonb NOT NULL,
    user_id         uuid NOT NULL,
    request_id      uuid,
    created_at      timestamptz NOT NULL DEFAULT now(),
    deleted_at      timestamptz,
    PRIMARY KEY (organization_id, name, version)
)
"""
ANALYSES = """
ALTER TABLE analyses
    ADD COLUMN template text NOT NULL DEFAULT '',
    ADD COLUMN template_version integer NOT NULL DEFAULT 0
"""


def upgrade() -> None:
    op.execute("ALTER TABLE documents ADD COLUMN hidden boolean NOT NULL DEFAULT false")
    op.execute(ANALYSES)
    op.execute(TEMPLATES)


def downgrade() -> None:
    op.execute("DROP TABLE templates")
    op.execute("ALTER TABLE analyses DROP COLUMN template, DROP COLUMN template_version")
    op.execute("ALTER TABLE documents DROP COLUMN hidden")
