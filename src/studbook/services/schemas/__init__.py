"""Schema definitions at work: kept as versioned records, held against what is registered, and put where a search finds it."""
