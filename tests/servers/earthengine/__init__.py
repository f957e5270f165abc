"""A stand-in for Earth Engine on loopback: the real client talks to it.

It evaluates the expression graphs that it receives over small rasters in memory, and checks every call in them against
the list of algorithms that the client's own package ships. It proves that graphs are well formed and that grids, tiles,
retries and decoding are right. It was written from the public documentation and never held against Earth Engine, so it
does not prove Earth Engine's numbers: interpolation beside masked pixels, percentiles of few values, edges of
footprints, limits of memory and quotas may differ there. What it does not know it refuses, never makes up.
"""
