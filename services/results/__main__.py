"""`python -m services.results`: the record, its pipeline and its readers."""

from mesh import process
from services.results.service import serve
from services.results.settings import ResultsSettings

settings = ResultsSettings()
process.run("results", settings, lambda stop: serve(settings, stop))
