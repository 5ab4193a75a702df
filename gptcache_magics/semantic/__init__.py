"""Match the same question in other words: embed the question, search for similar ones, let guards object."""
