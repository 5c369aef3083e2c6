"""Runs this service's migrations."""

from mesh.migrations_env import run

run()
