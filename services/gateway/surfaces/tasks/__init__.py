"""Text tasks and templates, below `/api/v1`."""
