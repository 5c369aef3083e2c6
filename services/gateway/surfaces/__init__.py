"""The public surfaces, one folder each."""
