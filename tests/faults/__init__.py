"""Real processes that are killed, interrupted, forked and robbed of their disk, on one store."""
