"""What is done with finished runs: open, list, compare, put in a series, repeat, bundle."""
