"""The only room that knows MLflow. Reading order:

connection (a client on the store) and lease (which the store grants to one process at a time) -> tracking (runs, locks,
files) and trial_log (a child run per trial) -> artifact (a fitted segmenter as a file) and model (shipped with it,
imports nothing of this project) -> registry -> history.
"""
