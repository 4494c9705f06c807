"""Croissant, the JSON-LD format of MLCommons for datasets (http://mlcommons.org/croissant/1.0 and 1.1): read and written."""
