"""Linking: from raw files to links, and from a change of them to the orders for those who hold tokens."""
