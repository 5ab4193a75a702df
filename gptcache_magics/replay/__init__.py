"""Check whether a notebook runs without a model: run a copy from recorded answers, and report."""
