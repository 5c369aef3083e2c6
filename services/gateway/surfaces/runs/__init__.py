"""Runs: a source, what is done with it, and what comes of that; and what waits for workers."""
