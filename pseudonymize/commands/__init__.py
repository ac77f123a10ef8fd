"""The commands of `recsys-pseudonymize`, a file for each group."""
