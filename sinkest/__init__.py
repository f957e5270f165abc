"""sinkest: from a year of satellite imagery and field plots to a statement on forests, carbon and wetlands."""

__version__ = "0.1.0"
