"""Writers of lineage graphs, one format a module; each yields its file piece by piece."""
