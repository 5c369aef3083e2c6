"""Scripts for those who work on Pagemesh; the product does not need them."""
