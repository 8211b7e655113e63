"""The web UI: talks REST through viewfinder.client only."""
