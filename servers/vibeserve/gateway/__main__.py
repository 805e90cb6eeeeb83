"""`python -m vibeserve.gateway --run DIR --role ROLE`: all that a role needs, from one process."""

from vibeserve.gateway.standalone import role

role()
