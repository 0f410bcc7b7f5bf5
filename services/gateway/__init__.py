"""HTTP in, Postgres and messages out. The gateway holds no solver and never parses a large document.

``http`` is the layer that every dialect stands on, ``dialects`` has one package per API, ``auth`` says who is asking, ``web``
the pages for people, and ``main`` puts them together.
"""
