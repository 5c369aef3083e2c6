"""Starts the auth service."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from datetime import timedelta
from functools import partial
from pathlib import Path

from mesh import db, process
from mesh.identity import TokenVerifier
from mesh.server import MeshServer, ServiceSpec
from services.auth import servicer
from services.auth.accounts import Accounts, Terms
from services.auth.keys import KeyRing, MasterKey
from services.auth.passwords import Passwords
from services.auth.service_tokens import ServiceTokens
from services.auth.settings import AuthSettings
from services.auth.store import SCHEMA, Store
from services.auth.tokens import AccessTokens
from services.auth.upkeep import keeping_up

_MIGRATIONS = Path(__file__).parent / "migrations"


@asynccontextmanager
async def serve(settings: AuthSettings) -> AsyncIterator[None]:
    """The service, ready inside the block. Raises WrongMasterKey, and OperationalError without a database."""
    url = settings.database_url.get_secret_value()
    await db.migrate(url, SCHEMA, _MIGRATIONS)
    async with AsyncExitStack() as stack:  # what was begun ends in the opposite order, also when a later step fails
        engine = db.connect(url, SCHEMA)
        stack.push_async_callback(engine.dispose)
        passwords = stack.enter_context(closing(Passwords()))
        store = Store(engine)
        keys = KeyRing(store, MasterKey(settings.master_key_bytes()), timedelta(days=settings.key_rotation_days))
        await keys.load()
        server = MeshServer(_spec(settings, store, keys, passwords), settings)
        await server.start()
        stack.push_async_callback(server.stop)
        await stack.enter_async_context(keeping_up(keys, store))
        yield


def _spec(settings: AuthSettings, store: Store, keys: KeyRing, passwords: Passwords) -> ServiceSpec:
    access = AccessTokens(keys)
    terms = Terms(
        tier=settings.default_tier,
        access_life=timedelta(seconds=settings.access_token_seconds),
        refresh_life=timedelta(days=settings.refresh_token_days),
    )
    service_life = timedelta(seconds=settings.service_token_seconds)
    services = ServiceTokens(store, access, settings.service_secret.get_secret_value(), service_life)
    accounts = Accounts(store, passwords, access, terms)
    return ServiceSpec(
        name="auth",
        register=partial(servicer.register, accounts=accounts, keys=keys, services=services),
        verifier=TokenVerifier(keys.jwks),
        public_methods=servicer.PUBLIC_METHODS,
        checks={"postgresql": store.check},
    )


async def _until(stop: asyncio.Event, settings: AuthSettings) -> None:
    async with serve(settings):
        await stop.wait()


def main() -> None:
    """Runs the service until it is asked to end."""
    settings = AuthSettings()
    process.run("auth", settings, partial(_until, settings=settings))


if __name__ == "__main__":
    main()
