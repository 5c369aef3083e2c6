"""Each service alone, over its own API, with real servers beside it."""
