"""What several tests need: a shell, a provider on loopback, an embedder of words."""
