"""What keeps the answers: gptcache on our store, a gptcache of the user's, or another LangChain cache."""
