"""Zero-log work: the same pipeline, over what the broker keeps in memory. See docs/adr/0028."""

from services.results.ephemeral.entrance import Ephemeral, expiry_of, unless_expired
from services.results.ephemeral.state import State

__all__ = ["Ephemeral", "State", "expiry_of", "unless_expired"]
