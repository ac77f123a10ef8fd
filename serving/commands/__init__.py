"""The commands of `recsys-serve` beside serving, one file each."""
