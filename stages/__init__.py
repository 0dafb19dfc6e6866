"""The replication: each package is a stage of the pipeline or what stages share, see README's tree."""
