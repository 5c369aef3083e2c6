"""Measurements of Pagemesh and of what it is compared with; nothing here is needed to run the product."""
