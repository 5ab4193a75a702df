"""Make DataFrames from a store: every table and figure that is shown."""
