"""The purchases dataset: append a release, forget a person, move to the tokens of a new epoch."""
