"""What two Viewfinder services need, and nothing else."""

__version__ = "0.1.0"
