"""What direct callers send, told by its first bytes."""

_MAGIC = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
)


def content_type(content: bytes) -> str | None:
    """MIME type of a PDF, PNG, JPEG or TIFF; None for anything else."""
    return next((mime_type for magic, mime_type in _MAGIC if content.startswith(magic)), None)
