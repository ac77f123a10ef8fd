"""The keyless core: contracts, bundles, the scorer, the guards, the decision, and offline evaluation.

Nothing in this package can reach an identifier or a secret key, opens a network connection, or reads a clock
that was not passed in.
"""
