"""The contents of the demo documents under `samples/`, one module a document."""
