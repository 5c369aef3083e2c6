"""The only place of this service that knows SQL: one module a table, one transaction for what belongs together."""

from services.results.store.database import Store, Transaction

__all__ = ["Store", "Transaction"]
