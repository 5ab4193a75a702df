"""A loopback server that speaks the providers' protocols, so that real classes and SDKs run without a key.

Every answer names the model, the last question and the running number of the call, so an answer that was bought again
never looks like the stored one. Tools, forced tools and JSON schemas are honoured with the simplest values that fit.
A test that needs other answers gives the server a ``mind``.
"""

from tests.support.provider_server.answers import Json, Mind
from tests.support.provider_server.server import CHAT_MODELS, COMPLETION_MODELS, KEY, Model, ProviderServer

__all__ = ["CHAT_MODELS", "COMPLETION_MODELS", "KEY", "Json", "Mind", "Model", "ProviderServer"]
