"""Starts the auth service."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from datetime import timedelta
from functools import partial
from pathlib import Path

from mesh import db, process
from mesh.identity import AUDIENCE, OPERATOR_AUDIENCE, TokenVerifier
from mesh.revocations import Revocations
from mesh.server import MeshServer, ServiceSpec
from services.auth import servicer
from services.auth.accounts import Accounts, Terms
from services.auth.administration import Administration
from services.auth.announcer import Announcer
from services.auth.api_keys import ApiKeys
from services.auth.client_tokens import ClientTokens
from services.auth.clients import Clients
from services.auth.invitations import Invitations
from services.auth.keys import KeyRing
from services.auth.master_keys import KeyHolder
from services.auth.members import Members
from services.auth.new_secrets import NewSecrets
from services.auth.operators import Operators
from services.auth.passwords import Passwords
from services.auth.profiles import Profiles
from services.auth.provider_keys import ProviderKeys
from services.auth.providers import providers_of
from services.auth.receipts import Receipts
from services.auth.service_tokens import ServiceTokens
from services.auth.settings import AuthSettings
from services.auth.sign_in import SignIn
from services.auth.sign_in_states import States
from services.auth.store import SCHEMA, Store
from services.auth.throttle import Throttle
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
        master = KeyHolder(settings.master_keys, store)
        keys = KeyRing(store, master, timedelta(days=settings.key_rotation_days))
        await keys.load()
        await store.adopt_master_key((await master.known()).current.id)
        revocations = Revocations()  # complete without a feed: sessions are looked up in the record
        announcer = Announcer(store, revocations)
        verifier = TokenVerifier(keys.jwks, revocations, (AUDIENCE, OPERATOR_AUDIENCE))
        server = MeshServer(_spec(settings, store, keys, master, passwords, announcer, verifier), settings)
        await server.start()
        stack.push_async_callback(server.stop)
        await stack.enter_async_context(announcer.running(settings))
        await stack.enter_async_context(keeping_up(keys, store))
        yield


def _spec(
    settings: AuthSettings,
    store: Store,
    keys: KeyRing,
    master: KeyHolder,
    passwords: Passwords,
    announcer: Announcer,
    verifier: TokenVerifier,
) -> ServiceSpec:
    access, secrets = AccessTokens(keys), NewSecrets(master)
    terms = Terms(
        tier=settings.default_tier,
        access_life=timedelta(seconds=settings.access_token_seconds),
        refresh_life=timedelta(days=settings.refresh_token_days),
    )
    service_life = timedelta(seconds=settings.service_token_seconds)
    services = ServiceTokens(store, access, settings.service_secret.get_secret_value(), service_life)
    throttle = Throttle(store, settings.login_failures, timedelta(seconds=settings.login_window_seconds))
    accounts = Accounts(store, passwords, access, terms, announcer, throttle)
    client_life = timedelta(seconds=settings.oauth_token_seconds)
    ideas = servicer.Ideas(
        accounts=accounts,
        profiles=Profiles(store, accounts, announcer, terms.access_life),
        members=Members(store, accounts, announcer, terms.access_life),
        invitations=Invitations(store, accounts, passwords, terms.refresh_life),
        api_keys=ApiKeys(store, accounts, access, announcer, secrets),
        clients=Clients(
            store, accounts, announcer, client_life, timedelta(hours=settings.client_secret_grace_hours), secrets
        ),
        sign_in=SignIn(
            providers_of(settings.sign_in_providers),
            States(settings.master_keys()),
            store,
            accounts,
            terms,
            announcer,
        ),
        client_tokens=ClientTokens(store, access, verifier, announcer, client_life),
        keys=keys,
        services=services,
        administration=Administration(store, passwords, keys, announcer, terms.tier, terms.access_life),
        operators=Operators(access, settings.operators_secret()),
        provider_keys=ProviderKeys(store, accounts, master),
        receipts=Receipts(keys),
    )
    return ServiceSpec(
        name="auth",
        register=partial(servicer.register, ideas=ideas),
        verifier=verifier,
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
