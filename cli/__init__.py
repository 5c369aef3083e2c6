"""`pagemesh`: the whole mesh on one machine, and a client for it."""
