"""Look up and update for every caller: modes, single flight, budget and the log."""
