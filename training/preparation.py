"""What a training begins with: its imports, and its twins, while nothing else is done."""

from __future__ import annotations

import contextlib
from importlib import import_module
from typing import Self

from threadpoolctl import threadpool_limits

from contract.mlflow_setup import store_address
from training.endpoint import serve
from training.twin import Twin, can_fork, twin

MODULES_OF_DATABASES = (
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.store.model_registry.sqlalchemy_store",
)
BLAS_THREADS = 1  # what is solved has five columns: more threads wait for each other, busily
# Everything that a training needs. skops looks for names in all that is imported before it.
MODULES = ("skops.io", "training.train", "mlflow.pyfunc", "optuna")


class Preparation(contextlib.ExitStack):
    """The twins of a training, which end with the `with`; None where they cannot be made.

    drawer: draws its figures; server: is to be the gate's server, and is there if it `will_serve`.
    """

    drawer: Twin | None = None
    server: Twin | None = None

    def __init__(self, will_serve: bool) -> None:
        super().__init__()
        self.will_serve = will_serve

    def __enter__(self) -> Self:
        of_database = not store_address().startswith("http")
        for module in (*MODULES, *(MODULES_OF_DATABASES if of_database else ())):
            import_module(module)
        self.enter_context(threadpool_limits(BLAS_THREADS, user_api="blas"))
        if can_fork():
            from training.report.artist import draw_for

            self.drawer = self.enter_context(twin(draw_for))
            if self.will_serve:
                self.server = self.enter_context(twin(serve))
        return self
