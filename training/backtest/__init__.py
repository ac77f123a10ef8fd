"""Backtest: recipe and baselines, fitted again before each of several windows, and what each would have listed."""
