"""Commands of `pagemesh admin`."""
