"""The format of backups; docs/backup.md describes it."""
