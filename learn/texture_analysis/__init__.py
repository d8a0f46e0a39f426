"""Scores, baselines and the report of texture autoencoders: docs/texture-vae.md."""
