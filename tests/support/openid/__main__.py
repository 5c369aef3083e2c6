"""Starts the provider."""

import sys
from pathlib import Path

import django
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.conf import settings
from django.core.management import call_command
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application

from tests.support.openid import CLIENT_ID, CLIENT_SECRET, HS256_CLIENT_ID, REDIRECT_URI

LOGIN_PAGE = "<form method='post'>{% csrf_token %}{{ form }}</form>"
APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "oauth2_provider"]


def configure(port: int, directory: Path) -> None:
    """A signing key and a database of its own."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    settings.configure(
        ROOT_URLCONF="tests.support.openid.site",
        SECRET_KEY="of the tests",
        ALLOWED_HOSTS=["127.0.0.1"],
        USE_TZ=True,
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": directory / "openid.sqlite3",
                "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE"},  # of two writers one waits
            }
        },
        MIGRATION_MODULES=dict.fromkeys(app.rpartition(".")[2] for app in APPS),  # tables as they are now
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        INSTALLED_APPS=APPS,
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "OPTIONS": {
                    "loaders": [("django.template.loaders.locmem.Loader", {"registration/login.html": LOGIN_PAGE})]
                },
            }
        ],
        LOGIN_URL="/login",
        OAUTH2_PROVIDER={
            "OIDC_ENABLED": True,
            "OIDC_ISS_ENDPOINT": f"http://127.0.0.1:{port}/o",
            "OIDC_RSA_PRIVATE_KEY": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
            "OAUTH2_VALIDATOR_CLASS": "tests.support.openid.site.Validator",
            "SCOPES": {"openid": "who", "email": "where", "profile": "what to call them"},
        },
    )
    django.setup()


def add_client(client_id: str, algorithm: str) -> None:
    """Registers a client; one that signs by HMAC needs its secret readable."""
    from oauth2_provider.models import Application

    Application.objects.create(
        client_id=client_id,
        client_secret=CLIENT_SECRET,
        hash_client_secret=algorithm != Application.HS256_ALGORITHM,
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_AUTHORIZATION_CODE,
        redirect_uris=REDIRECT_URI,
        algorithm=algorithm,
        skip_authorization=True,
    )


def main(port: int, directory: Path) -> None:
    """Serves until it is ended."""
    configure(port, directory)
    call_command("migrate", run_syncdb=True, verbosity=0)
    add_client(CLIENT_ID, "RS256")
    add_client(HS256_CLIENT_ID, "HS256")
    server = ThreadedWSGIServer(("127.0.0.1", port), WSGIRequestHandler)
    server.set_app(get_wsgi_application())
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
