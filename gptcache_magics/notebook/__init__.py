"""IPython alone: ``%gptcache``, ``%%gptcache``, completion, and the line under a cell."""
