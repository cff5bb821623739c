"""The grader. Read `look.py` (what is seen), `child.py` (where), `bank.py` (what it means),
`report.py` (what a learner reads), `plugin.py` (how pytest drives it), in this order.
"""

from exercises.grader.look import logged, points, state_kept

__all__ = ["logged", "points", "state_kept"]
