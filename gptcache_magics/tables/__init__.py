"""From a store to DataFrames: every table and figure that is shown."""
