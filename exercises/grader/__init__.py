"""The grader. Read `look.py` (what is seen), `child.py` (where), `bank.py` (what it means),
`report.py` (what a learner reads), `exports.py` (what course systems read) and `plugin.py` (how
pytest drives it), in this order. `kit.py` is what the checks are written with, and
`accelerator.py` the device that exercise 15 runs on.
"""
