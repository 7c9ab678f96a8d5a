"""From raw transactions to a registered model. Reading order:

reading (a shop's files or table to its lines) -> cleaning (which lines count, with a funnel) -> features (one row per
customer): together `shop`. clustering (the segmenter, and the search for its setting) -> profiles (who the
segments are) -> identity (the champion's numbers and names). report (facts, figures, movement, the check on the past,
the page). store (the only room that knows MLflow: runs, registry, history, the shipped model). gate and endpoint
(what a version must keep to become champion), band and drift (what has changed since). tables (files that people
open). `train`, `score`, `compare` and `monitor` put the steps together; cli, options and console are what people type
and see.
"""

__version__ = "0.1.0"
