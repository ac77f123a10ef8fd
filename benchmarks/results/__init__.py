"""The results in docs/results.md: public data, rolling windows, every baseline."""
