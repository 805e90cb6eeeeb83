"""Several servers in one process, over stdio or HTTP, for one role."""
