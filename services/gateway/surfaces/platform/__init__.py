"""The platform API, `/api/v1`."""

API_VERSION = "1.0.0"
PREFIX = "/api/v1"
