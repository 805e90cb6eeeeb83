"""Launching a server in a sandbox, knowing that it is the one that answers, and stopping it."""

from .launch import LaunchSpec, Service, launch

__all__ = ["LaunchSpec", "Service", "launch"]
