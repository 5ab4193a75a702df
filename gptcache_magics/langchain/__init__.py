"""The face towards LangChain: its cache interface, and the wraps that tell which model asks."""
