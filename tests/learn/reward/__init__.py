"""Tests of choosing by reward."""
