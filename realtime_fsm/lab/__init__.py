"""What maintainers run: the demo, scenarios, random calls, every order of events."""
