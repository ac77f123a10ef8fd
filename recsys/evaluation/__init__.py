"""Judging what a bundle would have shown, on purchases that it has not seen. Only `recsys-evaluate` comes here."""
