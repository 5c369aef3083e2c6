"""The platform API, `/api/v1`."""

from services.gateway.surfaces import VERSIONS

API_VERSION = VERSIONS["platform"]
PREFIX = "/api/v1"
