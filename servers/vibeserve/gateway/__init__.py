"""Several servers in one process, over stdio or HTTP, for one role."""

import os

# Before fastmcp is imported anywhere: standard error belongs to people, and nothing here calls home.
os.environ.setdefault("FASTMCP_LOG_ENABLED", "false")
os.environ.setdefault("FASTMCP_CHECK_FOR_UPDATES", "off")
