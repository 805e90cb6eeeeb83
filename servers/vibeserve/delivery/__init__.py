"""What leaves a run: the report, the exported server, and the receiver's proof of it."""
