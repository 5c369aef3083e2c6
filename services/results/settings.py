"""Settings of the results service."""

from pydantic import Field

from mesh.settings import MeshSettings


class ResultsSettings(MeshSettings):
    """What is kept, and how it is reached; `PAGEMESH_DATABASE_URL` is required."""

    database_pool: int = 8
    sweep_seconds: float = Field(default=600.0, gt=0)
    """How often what is too old or deleted is looked for and erased."""
    tombstone_days: int = Field(default=90, ge=1)
    """How long it is known of something erased that it was there, and its receipt is kept."""
    orphan_hours: int = Field(default=24, ge=0)
    """From which age on a blob that belongs to nothing is erased; 0: never."""
