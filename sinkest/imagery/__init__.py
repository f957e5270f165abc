"""Satellite imagery: one protocol, several sources.

``source`` is the protocol, ``local`` reads files on disk, ``simulated`` sees the virtual city, ``sensors`` knows bands,
scales and quality codes. Nothing here knows of models or field data.
"""
