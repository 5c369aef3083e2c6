"""`python -m services.analysis`: turns pages into answers."""

from mesh import process
from services.analysis.service import serve
from services.analysis.settings import AnalysisSettings


def main() -> None:
    """Runs until SIGTERM."""
    settings = AnalysisSettings()
    process.run("analysis", settings, lambda stop: serve(settings, stop))


if __name__ == "__main__":
    main()
