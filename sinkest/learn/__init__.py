"""Learning from field data: tables, features at points, model recipes, validation, saved models."""
