"""`python -m services.ingest`: takes documents in and reads text layers."""

from mesh import process
from services.ingest.service import serve
from services.ingest.settings import IngestSettings

settings = IngestSettings()
process.run("ingest", settings, lambda stop: serve(settings, stop))
