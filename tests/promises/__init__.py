"""What the OpenAPI documents promise, held against a running stack."""
