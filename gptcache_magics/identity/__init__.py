"""Identify calls: two calls that may share an answer have the same key."""
