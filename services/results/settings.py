"""Settings of the results service."""

from mesh.settings import MeshSettings


class ResultsSettings(MeshSettings):
    """Nothing beyond what every service has; `PAGEMESH_DATABASE_URL` is required."""

    database_pool: int = 8
