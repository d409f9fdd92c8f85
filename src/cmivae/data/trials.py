"""Lists that all runs of a corpus share: verification trials, segments for VC-mCAS, voices to listen to.

All are lists of indices, drawn once by a seed (paper section 5.2; docs/protocol-speech.md).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cmivae.errors import UserError

MAX_TRIALS, VC_SEGMENTS = "params.yaml:datasets.*.data.max_trials", "params.yaml:datasets.*.data.vc_segments"
MOST_TRIALS = 50_000_000  # the list itself has 8 bytes a trial, its scores another 8
MALE, FEMALE = "M", "F"
KINDS = ((MALE, FEMALE), (FEMALE, MALE), (MALE, MALE), (FEMALE, FEMALE))  # sexes of source and target voice

Pairs = NDArray[np.int32]  # (P, 2)
Indices = NDArray[np.int64]  # (N,)


def all_pairs(n: int) -> Pairs:
    """All ``n (n - 1) / 2`` unordered pairs i < j of 0..n-1, ordered by i, then by j: (P, 2)."""
    first = np.repeat(np.arange(n), np.arange(n - 1, -1, -1))  # (P,)
    second = np.arange(len(first)) - _starts(n)[first] + first + 1  # (P,)
    return np.column_stack((first, second)).astype(np.int32)


def draw_trials(speakers: Sequence[str], max_trials: int | None, seed: int) -> tuple[Pairs, NDArray[np.bool_]]:
    """Trials of speaker verification: all pairs of utterances, or ``max_trials`` of them drawn without replacement.

    Args:
        speakers: speaker of each of U utterances.
        max_trials: how many pairs to keep at most; ``None`` keeps all U (U - 1) / 2.
        seed: of the draw; nothing is drawn where all pairs are kept.

    Returns:
        Pairs i < j of utterances in the order of ``all_pairs``, (P, 2); whether the speakers are the same, (P,).

    Raises:
        UserError: no pair, or none of the drawn, has one speaker or has two; or there are too many pairs.
    """
    count = len(speakers)
    total = count * (count - 1) // 2
    kept = total if max_trials is None else min(total, max_trials)
    if kept > MOST_TRIALS:
        raise UserError(
            f"{kept:,} verification trials are too many",
            where=MAX_TRIALS,
            why=f"{count:,} test utterances make {total:,} pairs; at most {MOST_TRIALS:,} fit in memory",
            fix="set data.max_trials, for example to 1000000",
        )
    if kept < total:
        ranks = np.sort(np.random.default_rng(seed).choice(total, kept, replace=False, shuffle=False))
        pairs = _unranked(ranks, count)
    else:
        pairs = all_pairs(count)
    _, speaker = np.unique(np.asarray(speakers, dtype=str), return_inverse=True)  # (U,)
    is_target = speaker[pairs[:, 0]] == speaker[pairs[:, 1]]
    _check_trials(is_target, count, total)
    return pairs, is_target


def draw_pairs_vc(genders: ArrayLike, n: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
    """``n / 2`` disjoint random pairs of a male and a female segment for VC-mCAS.

    Row k of the first result is paired with row k of the second. A larger ``n`` with the same generator begins
    with the same pairs.

    Args:
        genders: "F" or "M" of each of N segments.
        n: number of segments, even.
        rng: where the draw comes from.

    Returns:
        Indices of male segments (n / 2,) and of female ones (n / 2,).

    Raises:
        UserError: ``n`` is odd, or one sex has fewer than ``n / 2`` segments.
        ValueError: a gender is neither "F" nor "M".
    """
    sex = np.asarray(genders, dtype=str)
    if not np.isin(sex, (MALE, FEMALE)).all():
        raise ValueError(f"genders must be F or M, not {sorted(set(sex.tolist()) - {MALE, FEMALE})}")
    if n % 2:
        raise UserError(f"{n} segments have no two equal halves", where=VC_SEGMENTS, fix="choose an even number")
    return _drawn(sex, MALE, n, rng), _drawn(sex, FEMALE, n, rng)


def draw_balanced(genders: ArrayLike, n: int, rng: np.random.Generator) -> Indices:
    """Indices in ascending order (n,) of ``n / 2`` male and ``n / 2`` female segments; else as ``draw_pairs_vc``."""
    return np.sort(np.concatenate(draw_pairs_vc(genders, n, rng)))


def draw_voice_pairs(speakers: Sequence[str], genders: Sequence[str], n: int, rng: np.random.Generator) -> Pairs:
    """``n`` pairs of utterances by different speakers, for voice conversion that people listen to.

    The sexes of source and target go round M to F, F to M, M to M, F to F, without those that these speakers cannot
    make. No speaker, and of a speaker no utterance, is taken again before the others of the same sex had their turn
    in that role, except where a speaker would meet himself. A larger ``n`` with the same generator begins with the
    same pairs.

    Args:
        speakers: speaker of each of U utterances.
        genders: "F" or "M" of each.
        n: number of pairs.
        rng: where the draw comes from.

    Returns:
        Source and target utterance, (n, 2).

    Raises:
        UserError: there are fewer than two speakers.
    """
    by_speaker: dict[str, list[int]] = {}
    for index, speaker in enumerate(speakers):
        by_speaker.setdefault(speaker, []).append(index)
    sex = {speaker: genders[utterances[0]] for speaker, utterances in by_speaker.items()}
    kinds = [kind for kind in KINDS if _possible(kind, list(sex.values()))]
    if n and not kinds:
        raise UserError(
            "voice conversion needs two speakers in the test part",
            where="params.yaml:datasets.*.embed.voices",
            why=f"it has {len(sex)}",
            fix="set embed.voices to 0, or add speakers to the core test list",
        )
    used = [dict.fromkeys(range(len(speakers)), 0) for _ in range(2)]  # utterance to uses, as source and as target
    pairs = []
    for turn in range(n):
        pair: list[int] = []
        for role, wanted in enumerate(kinds[turn % len(kinds)]):
            taken = speakers[pair[0]] if pair else None
            free = {name: by_speaker[name] for name in sex if sex[name] == wanted and name != taken}
            pair.append(_least_used(free, used[role], rng))
        pairs.append(pair)
    return np.array(pairs, dtype=np.int32).reshape(n, 2)


def _starts(n: int) -> Indices:
    """(n,): rank of the first pair of each i in the order of ``all_pairs``."""
    i = np.arange(n)
    return i * (2 * n - i - 1) // 2


def _unranked(ranks: Indices, n: int) -> Pairs:
    """Pairs (P, 2) at these places of ``all_pairs(n)``, which may be too long to write down."""
    starts = _starts(n)[:-1]  # the last i has no pair
    first = np.searchsorted(starts, ranks, side="right") - 1
    return np.column_stack((first, ranks - starts[first] + first + 1)).astype(np.int32)


def _check_trials(is_target: NDArray[np.bool_], utterances: int, total: int) -> None:
    for kind, found, need in (
        ("one speaker", is_target.sum(), "a speaker with two utterances"),
        ("two speakers", (~is_target).sum(), "two speakers"),
    ):
        if not found:
            raise UserError(
                f"no verification trial has {kind}",
                where=MAX_TRIALS,
                why=f"{len(is_target)} of {total} pairs of {utterances} test utterances are used; EER needs both kinds",
                fix=f"use test utterances with {need}" if len(is_target) == total else "choose a larger number or null",
            )


def _drawn(sex: NDArray[np.str_], wanted: str, n: int, rng: np.random.Generator) -> Indices:
    """(n / 2,) segments of one sex in random order, the first of one permutation whatever ``n`` is."""
    own = np.flatnonzero(sex == wanted)
    if len(own) < n // 2:
        raise UserError(
            f"{len(own)} segments of sex {wanted} are too few for VC-mCAS",
            where=VC_SEGMENTS,
            why=f"{n} segments, half of each sex, need {n // 2}",
            fix=f"lower data.vc_segments to {2 * len(own)} or less, or use more utterances of sex {wanted}",
        )
    return rng.permutation(own)[: n // 2]


def _possible(kind: tuple[str, str], sexes: list[str]) -> bool:
    source, target = kind
    return sexes.count(source) > 0 and sexes.count(target) > (source == target)


def _least_used(by_speaker: dict[str, list[int]], used: dict[int, int], rng: np.random.Generator) -> int:
    """A random one of the least used utterances of a random one of the least used speakers; its use is counted."""
    turns = {name: sum(used[each] for each in utterances) for name, utterances in by_speaker.items()}
    names = [name for name, count in turns.items() if count == min(turns.values())]
    utterances = by_speaker[names[rng.integers(len(names))]]
    least = min(used[each] for each in utterances)
    best = [each for each in utterances if used[each] == least]
    chosen = best[rng.integers(len(best))]
    used[chosen] += 1
    return chosen
