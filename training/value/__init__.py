"""What each customer will bring in the next days, from the five features alone. Reading order:

scoring (the formula, and all that a shipped model needs of it) -> maximum (of a likelihood), mbg_nbd (how many orders,
at the shop's level) and gamma_gamma (what an order is worth) -> regression (the order of customers, learnt from the
shop's last days) -> interval and simulation (the range) -> forecast (all of it fitted: about 50 numbers) -> window
(what came between two counts of one shop) -> plain (the ways that it has to beat) -> backtest and verdict (does it hold
on the past?).
"""
