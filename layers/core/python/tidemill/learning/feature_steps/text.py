"""Free text as words: which occur, weighed by how rare they are.

The encoder (`serving/features`) has made each text its different words, one space between two of them. The graph
splits there and looks the words up in a vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tidemill.learning.feature_steps.step import Columns, Nodes

#: Cells of the matrix that words of all texts may take, so that training stays within its memory.
MAX_CELLS = 40_000_000
#: Words of a text that trees look for: they get lost among more.
TREE_WORDS = 100


@dataclass(frozen=True)
class Words:
    """1 in the column of each word that occurs, and how many different words there are: for trees. Exact."""

    vocabularies: dict[str, tuple[str, ...]]  #: text -> words that are looked for

    @classmethod
    def fit(
        cls, columns: Sequence[str], rows: Columns, target: np.ndarray, classes: Sequence[str], limit: int
    ) -> Words:
        """Learn from training rows the words whose occurrence goes most with the target.

        Parameters
        ----------
        limit
            words of all texts together.
        """
        outcomes = np.eye(len(classes))[target.astype(np.int64)] if classes else target.reshape(-1, 1)
        return cls({name: _telling(rows[name], outcomes, limit // len(columns)) for name in columns})

    @property
    def columns(self) -> tuple[str, ...]:
        """The texts."""
        return tuple(self.vocabularies)

    @property
    def names(self) -> tuple[str, ...]:
        """`text has word` for each word, `words of text`."""
        return tuple(name for text, words in self.vocabularies.items() for name in _names(text, words))

    def transform(self, columns: Columns) -> np.ndarray:
        """(rows, names) float32."""
        made = []
        for name, words in self.vocabularies.items():
            made.append(_occurrences(columns[name], words))
            made.append(np.array([[len(text.split(" ")) if text else 0] for text in columns[name]], dtype=np.float32))
        return np.column_stack(made)

    def nodes(self, graph: Nodes) -> str:
        """StringSplit and TfIdfVectorizer for each text."""
        made = []
        for name, words in self.vocabularies.items():
            found, count = _split(graph, name)
            made += [_looked_up(graph, found, words)] if words else []
            made.append(graph.numbers(graph.add("Unsqueeze", count, graph.constant([1], np.int64))))
        return graph.concat(made)

    def document(self) -> list[dict[str, Any]]:
        """Each text with its words."""
        what = "1 in the column of each of these words that occurs, and the number of its different words"
        return [
            {"column": name, "becomes": what, "features": len(words) + 1, "words": list(words)}
            for name, words in self.vocabularies.items()
        ]


@dataclass(frozen=True)
class TfIdf:
    """The inverse document frequency of each word that occurs, the row scaled to length 1: for linear models.

    idf = log((1 + texts) / (1 + texts with the word)) + 1. That a word occurs counts, not how often: it was better on
    short texts, and no worse than 1 + log(times). The length of a row agrees with the graph's within 1e-6.
    """

    vocabularies: dict[str, tuple[str, ...]]  #: text -> words
    weights: dict[str, np.ndarray]  #: text -> (words,) float32

    @classmethod
    def fit(cls, columns: Sequence[str], rows: Columns, limit: int) -> TfIdf:
        """Learn from training rows the words that most texts have, `limit` of all texts together."""
        vocabularies, weights = {}, {}
        for name in columns:
            words, counts = _frequent(rows[name], limit // len(columns))
            if words:
                vocabularies[name] = words
                weights[name] = (np.log((1 + len(rows[name])) / (1 + counts)) + 1).astype(np.float32)
        return cls(vocabularies, weights)

    @property
    def columns(self) -> tuple[str, ...]:
        """The texts."""
        return tuple(self.vocabularies)

    @property
    def names(self) -> tuple[str, ...]:
        """`text has word` for each word."""
        return tuple(name for text, words in self.vocabularies.items() for name in _names(text, words)[:-1])

    def transform(self, columns: Columns) -> np.ndarray:
        """(rows, names) float32."""
        made = []
        for name, words in self.vocabularies.items():
            weighed = _occurrences(columns[name], words) * self.weights[name]
            lengths = np.sqrt(np.einsum("ij,ij->i", weighed, weighed))[:, None]
            made.append(weighed / np.maximum(lengths, np.float32(1)))
        return np.column_stack(made)

    def nodes(self, graph: Nodes) -> str:
        """StringSplit, TfIdfVectorizer, Mul and a division by the length for each text."""
        made = []
        for name, words in self.vocabularies.items():
            found, _ = _split(graph, name)
            weighed = graph.add("Mul", _looked_up(graph, found, words), graph.constant(self.weights[name]))
            length = graph.add("ReduceL2", weighed, graph.constant([1], np.int64), keepdims=1)
            # A word weighs at least 1, so only an empty row is shorter.
            made.append(graph.add("Div", weighed, graph.add("Max", length, graph.constant(1.0))))
        return graph.concat(made)

    def document(self) -> list[dict[str, Any]]:
        """Each text with the weights of its words."""
        what = "TF-IDF: the weight of each of these words that occurs, the row scaled to length 1"
        return [
            {
                "column": name,
                "becomes": what,
                "features": len(words),
                "words": dict(zip(words, self.weights[name].tolist(), strict=True)),
            }
            for name, words in self.vocabularies.items()
        ]


def words_that_fit(asked: int, rows: int) -> int:
    """How many of the words that a spec asks for are looked for in so many rows."""
    return max(min(asked, MAX_CELLS // max(rows, 1)), 1)


# --- vocabularies ------------------------------------------------------------------------------


def _cells(texts: np.ndarray, position: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of each word in a vocabulary that occurs."""
    found = [[position[word] for word in text.split(" ") if word in position] for text in texts.tolist()]
    rows = np.repeat(np.arange(len(found)), [len(row) for row in found])
    return rows, np.array([word for row in found for word in row], dtype=np.int64)


def _occurrences(texts: np.ndarray, words: Sequence[str]) -> np.ndarray:
    """(rows, words) float32: 1 where a text has a word."""
    made = np.zeros((len(texts), len(words)), dtype=np.float32)
    made[_cells(texts, {word: index for index, word in enumerate(words)})] = 1.0
    return made


def _frequent(texts: np.ndarray, limit: int) -> tuple[tuple[str, ...], np.ndarray]:
    """The words that most texts have, and how many have them; what one text alone has is no word to learn from."""
    counts: dict[str, int] = {}
    for text in texts.tolist():
        for word in text.split(" ") if text else ():
            counts[word] = counts.get(word, 0) + 1
    repeated = [word for word, count in counts.items() if count > 1]
    words = tuple(sorted(repeated, key=lambda word: (-counts[word], word))[:limit])
    return words, np.array([counts[word] for word in words])


def _telling(texts: np.ndarray, outcomes: np.ndarray, limit: int) -> tuple[str, ...]:
    """The words whose occurrence has the largest squared correlation with an outcome, most frequent first.

    Of two outcomes this is the order of the chi-squared statistic.
    """
    words, counts = _frequent(texts, 20 * limit)
    if len(words) <= limit:
        return words
    rows, columns = _cells(texts, {word: index for index, word in enumerate(words)})
    centred = outcomes - outcomes.mean(axis=0)
    covariance = np.column_stack(
        [np.bincount(columns, weights=outcome[rows], minlength=len(words)) for outcome in centred.T]
    )
    spread = np.maximum((centred**2).sum(axis=0), np.finfo(float).tiny)
    share = counts * (1 - counts / len(texts))
    correlation = (covariance**2 / spread).max(axis=1) / np.maximum(share, np.finfo(float).tiny)
    chosen = np.sort(np.argsort(-correlation, kind="stable")[:limit])
    return tuple(words[index] for index in chosen)


# --- nodes -------------------------------------------------------------------------------------


def _split(graph: Nodes, name: str) -> tuple[str, str]:
    """Words of the texts [rows, most], padded, and how many there are [rows]."""
    return graph.add_two("StringSplit", graph.add("Squeeze", name, graph.constant([1], np.int64)), delimiter=" ")


def _looked_up(graph: Nodes, found: str, words: Sequence[str]) -> str:
    return graph.add(
        "TfIdfVectorizer",
        found,
        mode="TF",
        min_gram_length=1,
        max_gram_length=1,
        max_skip_count=0,
        ngram_counts=[0],
        ngram_indexes=list(range(len(words))),
        pool_strings=[word.encode() for word in words],
    )


def _names(text: str, words: Sequence[str]) -> list[str]:
    return [*(f"{text} has {word}" for word in words), f"words of {text}"]
