"""The whole card of a bundle: what is sealed in it (`training.card`), and what was found out about it since."""
