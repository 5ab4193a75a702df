"""The only connection to IPython: ``%gptcache``, ``%%gptcache``, completion, and the line under a cell."""
