"""`python -m services.results`: the record, its pipeline and its readers."""

from mesh import process
from services.results.service import serve
from services.results.settings import ResultsSettings


def main() -> None:
    """Runs until SIGTERM."""
    settings = ResultsSettings()
    process.run("results", settings, lambda stop: serve(settings, stop))


if __name__ == "__main__":
    main()
