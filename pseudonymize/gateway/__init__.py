"""The token gateway: a small server that turns identifiers into tokens, so that no calling system needs a key."""
