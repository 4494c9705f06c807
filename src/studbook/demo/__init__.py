"""`studbook demo`: real models, trained on the data sets that scikit-learn ships and recorded as any program would.

`data` writes the files that are trained on, `lessons` says what is trained in which order, `training` trains and
measures, `recording` tells the registry through the SDK, `server` runs a real server beside it.
"""
