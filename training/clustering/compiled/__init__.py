"""The loops that dominate above a few thousand customers, compiled with numba; the extra `fast` installs it.

Nothing is decided here: without numba, scipy and scikit-learn do the same work, and come to the same
answers up to the rounding of a sum.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from training.clustering.compiled.lloyd import Lloyd
    from training.clustering.compiled.seeding import Seeding
    from training.clustering.compiled.tree import Tree

WIDTH = 5  # coordinates of a point, at most; a constant, so that the compiler unrolls the loops over them
PAYS_FROM = 2_500  # points; below, importing numba costs more than it saves
LOOPS = ("lloyd", "seeding", "silhouette", "spanning", "tree")  # the modules whose loops are compiled
AVAILABLE = find_spec("numba") is not None


def warming() -> subprocess.Popen[bytes] | None:
    """A process that compiles what is not in numba's cache yet, or None when everything is; it takes some ten seconds.

    To be started while something else is read, and waited for (or killed) before the loops are called.
    """
    if not AVAILABLE or is_cached():
        return None
    command = [sys.executable, "-m", f"{__name__}.warm"]
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def is_cached() -> bool:
    """Whether numba's cache beside the sources holds an index that is newer than each of them."""
    here = Path(__file__).parent
    sources = [here / f"{name}.py" for name in LOOPS]
    newest = {path.stem: path.stat().st_mtime for path in sources}
    made = dict.fromkeys(LOOPS, 0.0)
    for index in (here / "__pycache__").glob(f"*.py{sys.version_info[0]}{sys.version_info[1]}.nbi"):
        made[index.name.split(".")[0]] = index.stat().st_mtime
    return all(made[name] >= newest[name] for name in LOOPS)


def pays(points: NDArray[np.float64]) -> bool:
    """Whether the compiled loops are installed, fit `points` (n, d) and save time on them."""
    return AVAILABLE and len(points) >= PAYS_FROM and points.shape[1] <= WIDTH


def tree_of(points: NDArray[np.float64]) -> Tree | None:
    """A k-d tree of `points` (n, d), or None where that does not pay."""
    if not pays(points):
        return None
    from training.clustering.compiled.tree import Tree

    return Tree(points)


def lloyd_of(
    points: NDArray[np.float64], tree: Tree | None = None, counted: NDArray[np.bool_] | None = None
) -> Lloyd | None:
    """Lloyd's iterations on `points` (n, d), or of a `tree` those that are `counted`; None where that does not pay."""
    tree = tree or tree_of(points)
    if tree is None:
        return None
    from training.clustering.compiled.lloyd import Lloyd

    return Lloyd(tree, np.ones(len(tree.order), dtype=bool) if counted is None else counted)


def seeding_of(points: NDArray[np.float64]) -> Seeding | None:
    """k-means++ on `points` (n, d), or None where that does not pay."""
    if not pays(points):
        return None
    from training.clustering.compiled.seeding import Seeding

    return Seeding(points)
