"""Live updates: what happens to a user's jobs, told over WebSockets. See docs/guides/live.md."""
