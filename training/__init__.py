"""From raw transactions to a registered model. Reading order:

transactions (read a shop's export) -> cleaning (what counts, with a funnel) -> features (one row a
customer): together `shop`. density (who is unusual, for any eps) and segmenter -> evaluate -> sweep
(search and choice) -> profiles -> identity (the champion's numbers and names) -> explore, figures,
report: the `story`. model and package (what is shipped), tracking, registry, gate and history (the only
ones that know MLflow), endpoint (the scoring server as a process). `train` and `score` put the steps
together, `cli` is what people type.
"""

__version__ = "0.1.0"
