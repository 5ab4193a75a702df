"""A table in the browser that shows its rows as one scrolls."""
