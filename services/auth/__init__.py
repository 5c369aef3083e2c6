"""Accounts, organizations and the tokens that prove them."""
