"""OAuth 2.0 for programs: tokens, revocation, introspection, metadata."""
