"""What a person reads of an evaluation: tables on the terminal, and a page with plots that needs no network."""
