"""One module a benchmark; each has `async def measure() -> Findings`."""
