"""The gateway: the public HTTP contract on top of the mesh."""

VERSION = "0.1.0"
