"""Which segments of a new model are segments of the champion: they keep the champion's numbers and names."""

from __future__ import annotations

from copy import copy
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from training.clustering.segmenter import renumbered_kmeans
from training.profiles import still_true

if TYPE_CHECKING:
    import pandas as pd

    from training.clustering.segmenter import Segmenter

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# How far a segment reaches, as a share of the way from its centre to the nearest other centre. When two neighbours
# merge, the new centre lies between theirs, and the nearer to the larger of the two. Within a third of the way, the
# segment still has at least two thirds of its customers from one of them. Below a half, reaches never overlap: a new
# segment can be the same as one old segment at most.
REACH_SHARE = 1 / 3


@dataclass(frozen=True)
class Segments:
    """A model's segments: their centres (k, d) in its weighted space.

    That space is log1p of its d `features`, less `mean`, divided by `scale`, times `weights` (each (d,)). Models from
    before there were weights have weights of 1 and `weighted` False.
    """

    features: tuple[str, ...]
    mean: Floats
    scale: Floats
    centres: Floats
    names: tuple[str, ...]
    weights: Floats
    weighted: bool = True

    def centres_in_scale_of(self, other: Segments) -> Floats:
        """(k, d) the centres as they stand in the weighted space of `other`, of the same features."""
        logs = self.centres / self.weights * self.scale + self.mean
        return (logs - other.mean) / other.scale * other.weights

    def weighs_like(self, other: Segments) -> bool:
        """Whether both measure distances with the same weights."""
        return bool(np.allclose(self.weights, other.weights))


@dataclass(frozen=True)
class Predecessor:
    """The champion whose numbers and names are kept. When they are not kept, `segments` is None and `why` says why."""

    version: int | None
    segments: Segments | None
    why: str = ""


@dataclass(frozen=True)
class Origin:
    """Where a segment comes from: the champion's segment `same_as`, or None when it is new.

    nearest: the champion's segment whose centre is nearest, `distance` away in the champion's
    standardised scale; reach: the largest distance at which it is the same; by_rule: the name that today's
    profile alone would give.
    """

    segment: int
    name: str
    by_rule: str
    same_as: int | None = None
    nearest: int | None = None
    distance: float | None = None
    reach: float | None = None

    def __str__(self) -> str:
        renamed = f"; its name by today's profile: {self.by_rule}" if self.by_rule != self.name else ""
        if self.nearest is None:
            return "numbered by median Monetary"
        if self.same_as is None:
            return (
                f"new: {self.distance:.2f} from the champion's {self.nearest}, which reaches {self.reach:.2f}"
            )
        return f"the champion's {self.same_as}: {self.distance:.2f} away, the same within {self.reach:.2f}{renamed}"


@dataclass(frozen=True)
class Identity:
    """What was decided about each segment of a new model, in the order of their numbers."""

    predecessor: Predecessor
    origins: list[Origin]

    def __str__(self) -> str:
        if self.predecessor.segments is None:
            return f"Segments are numbered by median Monetary: {self.predecessor.why}."
        same = sum(origin.same_as is not None for origin in self.origins)
        return f"{same} of {len(self.origins)} segments are those of champion {self.predecessor.version}."

    def as_dict(self) -> dict[str, object]:
        """The same as plain values, for a file."""
        return {
            "champion": self.predecessor.version,
            "why_not_kept": self.predecessor.why,
            "segments": [asdict(origin) for origin in self.origins],
        }

    def tags(self) -> dict[str, str]:
        """The same as tags of a model version."""
        champion = self.predecessor.why or f"version {self.predecessor.version}"
        return {"identity.champion": champion} | {f"identity.{o.segment}": str(o) for o in self.origins}


def same_segments(new: Segments, champion: Segments) -> Ints:
    """(k,) for each `new` segment, the number of the champion's segment that it is, or -1.

    The pairs of centres are those of the least total distance (Hungarian method; Kuhn 1955) in the
    champion's scale, among pairs no farther apart than the champion's segment reaches.
    """
    distance = cdist(new.centres_in_scale_of(champion), champion.centres)
    within = distance <= reach(champion)
    impossible = 1 + distance.sum()
    rows, columns = linear_sum_assignment(np.where(within, distance, impossible))
    same = np.full(len(new.centres), -1)
    near = within[rows, columns]
    same[rows[near]] = columns[near]
    return same


def reach(segments: Segments) -> Floats:
    """(k,) how far from each centre another centre may lie and be the same segment."""
    distance = cdist(segments.centres, segments.centres)
    np.fill_diagonal(distance, np.inf)
    nearest: Floats = distance.min(axis=1)
    return REACH_SHARE * nearest


def numbers(same_as: Ints) -> Ints:
    """(k,) the number of each segment: the champion's where that is below k; the others take the free ones in order."""
    number = np.where(same_as < len(same_as), same_as, -1)
    number[number < 0] = np.setdiff1d(np.arange(len(same_as)), number)
    return number


def keep(
    segmenter: Segmenter, profiles: pd.DataFrame, features: tuple[str, ...], predecessor: Predecessor
) -> tuple[Segmenter, pd.DataFrame, Identity]:
    """A fitted segmenter and its profiles, with the predecessor's numbers and names where segments are the same.

    `profiles` has one row per segment, as `profiles.profile` gives it. `features` are those of the distances.
    A name that is not true of its segment any more gives way to today's. The third part of the answer says what was
    decided. Without the predecessor's segments, segmenter and profiles
    come back as they are.
    """
    champion, by_rule = predecessor.segments, profiles.name.tolist()
    if champion is None:
        origins = [Origin(segment, name, name) for segment, name in enumerate(by_rule)]
        return segmenter, profiles, Identity(predecessor, origins)
    new = segments_of(segmenter, features, by_rule)
    same = same_segments(new, champion)
    distance = cdist(new.centres_in_scale_of(champion), champion.centres)
    reaches = reach(champion)
    number = numbers(same)
    rows = profiles.to_dict("records")
    origins = []
    for index, old in enumerate(same.tolist()):
        holds = old >= 0 and still_true(champion.names[old], rows[index])
        name = champion.names[old] if holds else by_rule[index]
        nearest = int(distance[index].argmin())
        origins.append(
            Origin(
                int(number[index]),
                name,
                by_rule[index],
                same_as=old if old >= 0 else None,
                nearest=nearest,
                distance=float(distance[index, nearest]),
                reach=float(reaches[nearest]),
            )
        )
    renamed = profiles.assign(segment=number, name=[origin.name for origin in origins])
    origins.sort(key=lambda origin: origin.segment)
    sorted_profiles = renamed.sort_values("segment", ignore_index=True)
    return renumbered(segmenter, number), sorted_profiles, Identity(predecessor, origins)


def segments_of(segmenter: Segmenter, features: tuple[str, ...], names: list[str]) -> Segments:
    """The segments of a fitted segmenter."""
    scaler = segmenter.scaler_
    centres = segmenter.kmeans_.cluster_centers_
    return Segments(features, scaler.mean_, scaler.scale_, centres, tuple(names), segmenter.weights_)


def renumbered(segmenter: Segmenter, number: Ints) -> Segmenter:
    """The same fitted segmenter whose segment i has the number `number[i]` (k,), in labels and order of centres."""
    result = copy(segmenter)
    result.kmeans_ = renumbered_kmeans(segmenter.kmeans_, number)
    result.labels_ = number[segmenter.labels_]
    return result
