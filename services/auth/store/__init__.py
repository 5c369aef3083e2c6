"""The record in PostgreSQL, schema `auth`; the only place with SQL."""

from services.auth.store.accounts import AccountStore
from services.auth.store.actions import ActionStore
from services.auth.store.api_keys import ApiKeyStore
from services.auth.store.clients import ClientStore
from services.auth.store.database import SCHEMA
from services.auth.store.events import EventStore
from services.auth.store.external_identities import ExternalIdentityStore
from services.auth.store.failures import FailureStore
from services.auth.store.keys import KeyStore
from services.auth.store.master_keys import MasterKeyStore
from services.auth.store.members import MemberStore
from services.auth.store.people import PeopleStore
from services.auth.store.provider_keys import ProviderKeyStore
from services.auth.store.tenants import TenantStore


class Store(
    AccountStore,
    MemberStore,
    ApiKeyStore,
    ClientStore,
    ExternalIdentityStore,
    FailureStore,
    KeyStore,
    EventStore,
    TenantStore,
    PeopleStore,
    ActionStore,
    ProviderKeyStore,
    MasterKeyStore,
):
    """Everything that the service keeps. Every method raises Unavailable while the database is away."""


__all__ = ["SCHEMA", "Store"]
