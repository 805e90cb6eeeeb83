"""Prints 100 MB, then serves as the honest one does."""

import sys

import honest
from toy_lm import ToyModel


class Engine(honest.Engine):
    def __init__(self, model: ToyModel) -> None:
        super().__init__(model)
        line = "x" * 1023 + "\n"
        for _ in range(100 << 10):
            sys.stdout.write(line)
        sys.stdout.flush()
