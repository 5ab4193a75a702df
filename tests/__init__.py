"""The tests. Their common parts are in :mod:`tests.support`."""
