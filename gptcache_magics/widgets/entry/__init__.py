"""One stored answer on the screen: the conversation, its parts, and what can be done with it."""
