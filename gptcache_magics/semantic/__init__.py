"""Same question, other words: embed, search, let guards object."""
