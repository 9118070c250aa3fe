"""Calls with the real plugins of all providers, plain and controlled."""
