"""Connections and transactions of the record."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from mesh import db
from mesh.errors import Unavailable
from services.results.store.analyses import Analyses
from services.results.store.arrivals import Arrivals
from services.results.store.documents import Documents
from services.results.store.erasures import Erasures
from services.results.store.jobs import Jobs
from services.results.store.ledger import Ledger
from services.results.store.pages import Pages
from services.results.store.queue import Queue
from services.results.store.rates import Rates
from services.results.store.remains import Remains
from services.results.store.runs import Runs
from services.results.store.search import Search
from services.results.store.tasks import Tasks
from services.results.store.templates import Templates
from services.results.store.usage import Usage
from services.results.store.webhook_log import WebhookLog
from services.results.store.webhooks import Webhooks
from services.results.webhooks.records import DeliveryRecord

SCHEMA = "results"
MIGRATIONS = Path(__file__).parent.parent / "migrations"


class Transaction:
    """The tables, seen through one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.documents = Documents(connection)
        self.search = Search(connection)
        self.webhooks = Webhooks(connection)
        self.webhook_log = WebhookLog(connection)
        self.runs = Runs(connection)
        self.jobs = Jobs(connection, self.webhooks, self.runs)
        self.arrivals = Arrivals(connection)
        self.pages = Pages(connection)
        self.analyses = Analyses(connection)
        self.tasks = Tasks(connection)
        self.rates = Rates(connection)
        self.queue = Queue(connection)
        self.usage = Usage(connection)
        self.erasures = Erasures(connection)
        self.remains = Remains(connection)
        self.ledger = Ledger(connection)
        self.templates = Templates(connection)


class Store:
    """The record. Every method that reaches the database raises Unavailable while that is away."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._single = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._hand_out: Callable[[Sequence[DeliveryRecord]], None] | None = None

    def hand_out_by(self, hand_out: Callable[[Sequence[DeliveryRecord]], None]) -> None:
        """Has deliveries handed out as soon as the transaction that ended their jobs is committed."""
        self._hand_out = hand_out

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Commits when the block ends well, and leaves no trace otherwise."""
        with _unavailable_when_away():
            async with self._engine.begin() as connection:
                tables = Transaction(connection)
                yield tables
        if tables.webhooks.new and self._hand_out:
            self._hand_out(tables.webhooks.new)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Transaction]:
        """For single statements: each is its own transaction, which saves two trips to the server."""
        with _unavailable_when_away():
            async with self._single.connect() as connection:
                yield Transaction(connection)

    async def check(self) -> None:
        """Raises Unavailable while the database is away."""
        await db.check(self._engine)

    async def close(self) -> None:
        """Closes every connection."""
        await self._engine.dispose()


@contextmanager
def _unavailable_when_away() -> Iterator[None]:
    try:
        yield
    except (*db.AWAY, DBAPIError) as error:
        if isinstance(error, db.AWAY) or error.connection_invalidated:
            raise Unavailable("The database is away.", dependency="postgresql") from error
        raise
