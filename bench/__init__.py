"""Measurements that a user can repeat, each a ratio taken in one run beside a peer."""
