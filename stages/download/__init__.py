"""From a data source to data/<dataset>/scenes. The user's own files are read, never written, moved or copied."""
