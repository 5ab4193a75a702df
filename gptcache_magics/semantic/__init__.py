"""Match the same question in other words: embed it, search for it, let guards object."""
