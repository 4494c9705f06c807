"""Writers of documents, one format a module. Each turns what it is given into bytes, piece by piece, and knows nothing else."""
