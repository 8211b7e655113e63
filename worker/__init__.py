"""Jobs: read, embed, index, report; delete."""
