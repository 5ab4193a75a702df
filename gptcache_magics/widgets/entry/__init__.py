"""One stored answer on the screen: the conversation, its parts, and the actions on it."""
