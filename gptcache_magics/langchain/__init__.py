"""Connect the cache to LangChain: its cache interface, and the wraps that tell which model asks."""
