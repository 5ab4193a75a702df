"""The commands of whoever runs a team's store: ``python -m gptcache_magics team init|status|prune``."""
