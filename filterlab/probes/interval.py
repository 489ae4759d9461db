"""How sure k of n is: Wilson's score interval.

Source: E. B. Wilson, "Probable inference, the law of succession, and statistical
inference", Journal of the American Statistical Association 22 (1927), 209-212. Unlike
the normal approximation it stays within 0 and 1, and means something for 20 of 20.
"""

from __future__ import annotations

from math import sqrt

# The two-sided 95 % point of the normal distribution.
_Z_95 = 1.959963984540054


def wilson(successes: int, trials: int, z: float = _Z_95) -> tuple[float, float]:
    """The lower and upper bound of the share that `successes` of `trials` stands for.

    No trials tell nothing: (0, 1).
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} of {trials} is no share")
    if trials == 0:
        return 0.0, 1.0
    share = successes / trials
    scale = 1 + z * z / trials
    centre = share + z * z / (2 * trials)
    half = z * sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)
