"""Standard products as they come from their providers: Sentinel-2 SAFE, Landsat Collection 2, mosaics, elevation."""
