"""Imagery out of STAC catalogues, online or saved."""
