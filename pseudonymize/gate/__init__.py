"""The release gate: what a row must pass before it is written, and how a release is written whole or not at all."""
