"""What a person reads of the policy lab: the same tables on the terminal, on a page and in the documentation."""
