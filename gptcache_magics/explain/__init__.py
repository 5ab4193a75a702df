"""Why a lookup went as it went, told from what the store recorded."""
