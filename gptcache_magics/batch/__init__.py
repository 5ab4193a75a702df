"""Ask a model about each row of a table, some rows at a time."""
