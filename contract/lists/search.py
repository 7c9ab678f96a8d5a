"""In which of many short texts a word stands, without looking at each of them by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

FEW_HITS = 5_000  # up to which stepping from hit to hit is faster than asking each text


@dataclass(frozen=True, eq=False)
class SearchTexts:
    """n texts in small letters, one behind the other; ends: (n + 1,) where each begins, and the last one ends."""

    whole: bytes
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, texts: pa.Array) -> SearchTexts:
        """Texts of Arrow, none of them missing."""
        ends = np.frombuffer(texts.buffers()[1], dtype=np.int64)[texts.offset : texts.offset + len(texts) + 1]
        data = texts.buffers()[2]
        return cls(data.to_pybytes() if data else b"", ends)

    def containing(self, text: str) -> NDArray[np.bool_]:
        """(n,) whether each holds `text`, in small or large letters."""
        word = text.casefold().encode("utf-8", "surrogatepass")
        rows = []
        for count, row in enumerate(self._hits(word)):
            if count == FEW_HITS:
                return self._each(word)
            rows.append(row)
        mask = np.zeros(len(self.ends) - 1, dtype=bool)
        mask[rows] = True
        return mask

    def _hits(self, word: bytes) -> Iterator[int]:
        """The texts that hold a word, in their order."""
        place = self.whole.find(word, int(self.ends[0]))
        while place >= 0:
            row = int(np.searchsorted(self.ends, place, side="right")) - 1
            if row >= len(self.ends) - 1:
                return
            if place + len(word) <= self.ends[row + 1]:
                yield row
                place = self.whole.find(word, int(self.ends[row + 1]))
            else:  # it goes on in the next text
                place = self.whole.find(word, place + 1)

    def _each(self, word: bytes) -> NDArray[np.bool_]:
        import pyarrow as pa
        import pyarrow.compute as pc

        buffers = [None, pa.py_buffer(self.ends), pa.py_buffer(self.whole)]
        texts = pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(self.ends) - 1, buffers)
        mask: NDArray[np.bool_] = pc.match_substring(texts, word).to_numpy(zero_copy_only=False)
        return mask
