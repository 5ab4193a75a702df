"""A store in a folder with the database of a team behind it: :class:`.store.TeamStore`."""
