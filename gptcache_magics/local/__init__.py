"""A small language model on this machine's processor: SmolLM2-135M-Instruct, which needs neither a key nor a network.

``model.py`` makes the LangChain model; ``server.py`` is the program that answers it.
"""
