"""A real OpenID provider on loopback: Django OAuth Toolkit. Run as `python -m tests.support.openid PORT DIRECTORY`.

It has two clients, asks nobody for consent, and requires PKCE. People are told to it as `PUT /people/<name>` with their
claims as JSON; they log in on its page with their name and PASSWORD.
"""

CLIENT_ID = "pagemesh-tests"
HS256_CLIENT_ID = "pagemesh-tests-hs256"
"""The client whose ID tokens are signed with its secret."""
CLIENT_SECRET = "the provider's word for us, long enough for an HMAC"
REDIRECT_URI = "https://app.example.org/callback"
PASSWORD = "everybody has this one"
