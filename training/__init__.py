"""Trains the bundled encoder `mini`; not shipped."""
