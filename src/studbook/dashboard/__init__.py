"""Web pages that the server ships."""
