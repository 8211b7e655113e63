"""The states of a picture."""

STORED, QUEUED, INDEXED, FAILED, DELETING = "stored", "queued", "indexed", "failed", "deleting"
STATES = (STORED, QUEUED, INDEXED, FAILED, DELETING)
