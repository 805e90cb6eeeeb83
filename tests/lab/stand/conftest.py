"""Runs of the toy target."""

from toy.fixtures import *  # noqa: F403
