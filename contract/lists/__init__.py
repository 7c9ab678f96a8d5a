"""Lists of customers that people act on, the same at every door: the API, its pages and the command. Reading order:

columns (what a customer's row can hold) -> customers (all rows of one version, ready to be asked) -> filters (which of
them are wanted) -> value_at_risk and worth -> forms (the files that other tools take).
"""
