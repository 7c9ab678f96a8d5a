"""What a training tells people. Reading order:

facts (the shop in numbers and sentences), movement (who moved), forward (whether segments of the past held), lookback
(both for one training) -> figures, drawn by the artist -> page (one HTML page) -> story (all of it for one run).
"""
