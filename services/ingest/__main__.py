"""`python -m services.ingest`: takes documents in and reads text layers."""

from mesh import process
from services.ingest.service import serve
from services.ingest.settings import IngestSettings


def main() -> None:
    """Runs until SIGTERM."""
    settings = IngestSettings()
    process.run("ingest", settings, lambda stop: serve(settings, stop))


if __name__ == "__main__":
    main()
