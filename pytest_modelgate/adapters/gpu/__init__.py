"""GPUs: which there are, and computing on one."""
