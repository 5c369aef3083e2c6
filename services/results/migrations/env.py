"""Migrations of the schema `results`."""

from mesh.migrations_env import run

run()
