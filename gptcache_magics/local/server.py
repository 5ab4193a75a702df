"""Serve a language model over HTTP, as OpenAI does, until the program that started this one ends or closes its pipe.

Run as a program of its own, because an error of native code, or a processor that lacks an instruction, ends the process
that it happens in. The first line of standard input says what to serve, as JSON; the first line of standard output
answers with the address or the error. This file imports nothing of the package.
"""

import json
import os
import sys
from typing import Any


def serve(path: str, name: str, key: str, threads: int, context: int) -> Any:
    """Start the server in threads of its own, and return it.

    Parameters
    ----------
    path
        The model as a GGUF file.
    name
        The name that the model's answers give.
    key
        The API key that each call must send: every user of this machine can reach the port.
    context
        Most tokens of a question and its answer together.
    """
    import xllamacpp

    given = xllamacpp.CommonParams()
    given.model.path, given.model_alias = path, {name}
    given.port, given.api_keys = 0, [key]
    given.n_gpu_layers, given.n_ctx, given.n_parallel = 0, context, 1
    # More threads wait for each other by spinning: on two busy cores they took ten times as long.
    given.cpuparams.n_threads = given.cpuparams_batch.n_threads = threads
    given.sampling.penalty_repeat = 1.1  # without it, one answer in forty repeats itself without end
    given.verbosity = -1
    return xllamacpp.Server(given)


def main() -> None:
    """Serve what standard input names until it ends."""
    try:
        server = serve(**json.loads(sys.stdin.readline()))
        reply = {"url": f"{server.listening_address}/v1"}
    except Exception as error:
        reply = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(reply), flush=True)  # noqa: T201 (the answer to the process that started this one)
    sys.stdin.read()
    os._exit(0)  # an orderly end would wait for an answer under way


if __name__ == "__main__":
    main()
