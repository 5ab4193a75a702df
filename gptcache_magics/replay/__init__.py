"""Does a notebook run without a model? Run a copy of it from recorded answers, and report."""
