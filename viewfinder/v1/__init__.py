"""Generated from proto/viewfinder/v1 by `make proto`. Do not edit."""
