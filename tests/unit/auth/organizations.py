"""An organization for tests, and a book that has it alone."""

from datetime import UTC, datetime
from uuid import UUID

from mesh.errors import NotFound
from services.auth.records import Organization, OrganizationSettings

ORGANIZATION = Organization(
    id=UUID("7b0f0d3e-6a2b-4c6e-9d59-0c5f6a1f2b3c"),
    name="Institut du Radium",
    tier="pro",
    settings=OrganizationSettings(),
    is_active=True,
    created_at=datetime(2030, 1, 1, tzinfo=UTC),
    updated_at=datetime(2030, 1, 1, tzinfo=UTC),
    member_count=1,
)


class Book:
    """Looks it up."""

    async def organization(self, organization_id: UUID) -> Organization:
        """The organization. Raises NotFound for any other."""
        if organization_id != ORGANIZATION.id:
            raise NotFound("There is no such organization.")
        return ORGANIZATION
