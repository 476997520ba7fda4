"""Optimisers that papers of the field use and torch does not have."""
