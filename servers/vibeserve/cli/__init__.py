"""`vibeserve …`: the commands for people, and a twin of every tool."""
