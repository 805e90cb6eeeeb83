"""The checkpoints server: rounds are opened, candidates submitted and compared, rounds closed and promoted."""
