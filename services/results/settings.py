"""Settings of the results service."""

from pydantic import Field, SecretStr, field_validator

from mesh.settings import MeshSettings


class ResultsSettings(MeshSettings):
    """How the record is kept, and for how long, and how webhooks are delivered; `PAGEMESH_DATABASE_URL` is required."""

    database_pool: int = 8

    public_url: str = ""
    """URL by which clients reach the gateway, for the links in webhooks; empty: they are paths."""
    webhook_secret: SecretStr = SecretStr("")
    """What the secrets that sign webhooks derive from, the same for all replicas; empty: no webhooks."""
    webhook_pauses: str = "5 300 1800 7200 18000 36000"
    """Seconds between attempts at a delivery; the last goes on."""
    webhook_give_up_seconds: float = Field(default=86_400.0, gt=0)
    """When a delivery that nobody takes is given up."""
    webhook_attempt_seconds: float = Field(default=15.0, gt=0)
    """How long a receiver may take."""
    webhook_slots: int = Field(default=32, ge=1)
    """Attempts at a time."""

    sweep_seconds: float = Field(default=600.0, gt=0)
    """How often what is too old or deleted is looked for and erased."""
    tombstone_days: int = Field(default=90, ge=1)
    """How long it is known of something erased that it was there, and its receipt is kept."""
    orphan_hours: int = Field(default=24, ge=0)
    """From which age on a blob that belongs to nothing is erased; 0: never."""

    @field_validator("webhook_pauses")
    @classmethod
    def _positive(cls, value: str) -> str:
        pauses = [float(pause) for pause in value.split()]
        if not pauses or min(pauses) <= 0:
            raise ValueError("seconds, each more than 0, with blanks between them")
        return value
