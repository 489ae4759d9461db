"""Stands in for setuptools while pip fetches a source archive that is not built."""
