"""The policy lab: what a rule costs, whom it touches, what a list gives away. Nothing here decides for anyone."""
