"""Tests of what users see of patch autoencoders."""
