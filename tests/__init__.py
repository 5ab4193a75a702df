"""The tests. What several of them need is in :mod:`tests.support`."""
