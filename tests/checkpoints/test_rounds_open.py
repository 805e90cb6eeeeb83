"""Opening rounds: one at a time, on an open issue, with nothing in the workspace ever lost."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ledger_records
import pytest

from vibeserve.core.errors import BadRequest, NotFound, Refused, VibeServeError
from vibeserve.core.run import Run, create_run, open_run
from vibeserve.core.session import Session
from vibeserve.lab.trees import repository_of, settle
from vibeserve.lab.trees import workspace as workspace_module

