"""Who belongs together, and who fits nowhere. Reading order:

density (noise at every eps and min_samples from one neighbour query), kmeans, segmenter (both as one estimator) ->
evaluate (silhouette, stability, the map) -> sweep (search and choice). compiled: loops for the extra `fast`.
"""
