"""Links: which identifiers are one person's. They are kept in the vault, and nowhere else."""
