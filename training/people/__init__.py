"""What identifies people: kept apart from the runs, and taken out everywhere when a customer asks for it.

Read `kept_log` first: the file of e-mail addresses and other kept columns.
"""
