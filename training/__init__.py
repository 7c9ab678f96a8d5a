"""From raw transactions to a registered model. Reading order:

transactions (read a shop's export) -> cleaning (what counts, with a funnel) -> features (one row a
customer): together `shop`. density (who is unusual, for any eps) and segmenter -> evaluate -> sweep
(search and choice) -> profiles -> movement and forward: what the `past` says -> explore, figures,
report: the `story`. model and package (what is shipped), tracking and registry (the only ones that
know MLflow). band (how many may be flagged) and drift (what has changed since). `train`, `score`,
`compare` and `monitor` put the steps together, `cli` is what people type.
"""

__version__ = "0.1.0"
