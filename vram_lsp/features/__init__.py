"""One module per LSP feature: plain functions from a snapshot and parameters to a result, with no waiting between."""
