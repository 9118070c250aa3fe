"""The three state machines, and the controller that drives them. No LiveKit, no I/O, no clock."""
