"""From raw transactions to a registered model. Reading order:

transactions (read a shop's export), or scan (the same where DuckDB can type it by itself) -> cleaning
(what counts, with a funnel) -> features (one row a customer): together `shop`. density (who is unusual,
for any eps) and segmenter -> evaluate -> sweep (search and choice) -> profiles -> identity (the champion's
numbers and names) -> movement and forward: what the `past` says -> explore, figures, report: the `story`.
model and package (what is shipped), tracking, registry, gate and history (the only ones that know
MLflow), endpoint (the scoring server as a process). band (how many may be flagged) and drift (what has
changed since). `train`, `score`, `compare` and `monitor` put the steps together, `cli` is what people type.
"""

__version__ = "0.1.0"
