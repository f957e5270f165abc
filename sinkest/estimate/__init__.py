"""Design-based, model-assisted, small-area and change estimators.

Plain arrays and tables in, frozen results out; no raster, no file and no configuration, so the estimators can be used
on their own. Units are never changed: what goes in as m3/ha comes out as m3/ha.
"""
