"""The lineage graph: edges drawn, found later, declared and withdrawn; and the questions that it answers."""
