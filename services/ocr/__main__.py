"""`python -m services.ocr`: reads pictures of pages."""

from mesh import process
from services.ocr.service import serve
from services.ocr.settings import OcrSettings


def main() -> None:
    """Runs until SIGTERM."""
    settings = OcrSettings()
    process.run("ocr", settings, lambda stop: serve(settings, stop))


if __name__ == "__main__":
    main()
