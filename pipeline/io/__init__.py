"""The only importers of file readers and writers."""
