"""What every Pagemesh service shares: settings, errors, server, client, bus, database, blobs, sandbox, telemetry.

Nothing of the domain is in here, and nothing in here imports a service.
"""
