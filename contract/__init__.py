"""What training writes and serving reads: the one package that both wings import. It imports neither of them.

names (model, aliases, features, artifact paths, tags), integrity (the digest of a model's files), mlflow_setup
(MLflow's environment and the address of its store), words (numbers and features as people read them), colours,
lists (which customers a list holds, and the files that it leaves as).
"""
