"""One lookup and one update, whoever asks: modes, single flight, budget and the log."""
