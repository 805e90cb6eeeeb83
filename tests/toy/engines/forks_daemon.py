"""Leaves a daemon behind that keeps running in its own session, then serves as the honest one does."""

import os
import time

import honest
from toy_lm import ToyModel


class Engine(honest.Engine):
    def __init__(self, model: ToyModel) -> None:
        super().__init__(model)
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.execv("/bin/sh", ["toy-daemon-left-behind", "-c", "while :; do sleep 0.2; done"])
            os._exit(0)
        time.sleep(0.05)
