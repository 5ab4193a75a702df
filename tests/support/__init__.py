"""Parts that several tests share: a shell, a kernel, a provider on loopback, an embedder, a store to fill."""
