"""The issues server: the backlog that a run works off."""
