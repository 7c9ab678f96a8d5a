"""Month after month, unattended: what `segments cycle`, `watch`, `approve` and `prune` do.

Read `steps` first: one cycle, from new data to a champion. `record` keeps its state in MLflow, so that a cycle that was
killed goes on; the store's lease lets one cycle work at a time, on whatever machine. `decision` says whether to train.
`approval` lets a person decide. `events` are what is told, `channels` to whom, and `delivery` sends them. `export`
writes the lists of a new champion. `watch` runs cycle after cycle; `prune` deletes what they leave.
"""
