"""The store of a team in PostgreSQL. Only :mod:`.address` may be imported where psycopg is not installed."""
