"""A whole target without a model library: an arithmetic language model, and candidates that serve it."""
