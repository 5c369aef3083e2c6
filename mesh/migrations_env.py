"""What every service's `migrations/env.py` runs: migrations on the connection and schema that `mesh.db` hands over."""

from alembic import context


def run() -> None:
    """Runs the migrations; each schema keeps its own version table."""
    attributes = context.config.attributes
    context.configure(connection=attributes["connection"], version_table_schema=attributes["schema"])
    with context.begin_transaction():
        context.run_migrations()
