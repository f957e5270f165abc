"""Satellite imagery: one protocol, several sources.

``source`` is the protocol and ``stack`` its lazy dataset; ``local`` and ``static`` read files on disk through
``catalogue`` (which files make a scene), ``raster`` and ``resample``; ``simulated`` sees the virtual city; ``sensors``
knows bands, scales and quality codes. Nothing here knows of models or field data.
"""
