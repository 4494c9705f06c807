"""Search of model versions: what can be asked, what a question means, and the answer."""
