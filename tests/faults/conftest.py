"""Each test here breaks a Viewfinder of its own."""

from tests.faults.own_stack import own_stack

__all__ = ["own_stack"]
