"""The service: decisions and events over HTTP, and what is remembered of people in between.

It knows people by their tokens only. Nothing in this package can reach a key, an identifier or a training row.
"""
