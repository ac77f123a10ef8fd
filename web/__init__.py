"""HTTP, as far as it is the same for every server and client of ours: it knows neither people nor keys nor tables."""
