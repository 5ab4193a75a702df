"""Explain lookups: why each hit or missed, from the records of the store."""
