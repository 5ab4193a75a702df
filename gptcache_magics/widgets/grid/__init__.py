"""A table in the browser that loads its rows while the user scrolls."""
