"""Grade exercises: run an answer in a child process, compare what it shows, and name the cause.

Read `look.py` (what is seen), `state.py` (what a call must leave as it was), `child.py` (where it
runs), `bank.py` (the verdict), `variants.py` (the cause), `report.py` (what a learner reads),
`exports.py` (what course systems read), `handins.py` and `unpack.py` (where answers lie) and
`plugin.py` (how pytest drives it), in this order. `kit.py` is what the checks are written with,
`mutants.py` what they are tried on, and `accelerator.py` the device that exercise 15 runs on.

How an exercise is written
--------------------------

`exercise.py` is the task as its docstring, then a stub. Say exactly what counts: whatever the task
leaves open, the checks allow. "Leave what you are given as it was" holds for every exercise and is
said in the README; do not say it again. The docstring's last line, after a blank one, says what of
minicache may be used: `rule` in `wrappers.py` gives the sentence, from what `OWN` lists there. Add
the exercise to `OWN` if minicache has what it asks for, as a whole or nearly.

`meta/solution.py` is the reference, short. `meta/right_*.py` are right answers in other forms.

`test_exercise.py` has TITLE, LESSON ("lesson 5, LayerNorm and logits") and the checks, functions
`test_what_holds(answer, see)`:

- `see(label, thunk, axes="", **given)` runs the thunk and compares what it gives, or raises, with
  what the reference gave there (a tensor's shape, kind and values; whole numbers exactly; an
  exception by its built-in class). No expected value is written by hand: `python -m exercises
  record` runs the reference and keeps what it shows. `axes` names a tensor's axes.
- `**given` is everything that the call is given: `see("f(z, W)", lambda: answer.f(z, W), AXES, z=z,
  W=W, model=model)`. The harness names their shapes to the learner, and looks through them before
  and after the call: tensors, weights, devices, hooks, entries, attributes. What changed is a fault
  ("it changed `z` in place"). Leave out what the call is there to change, and `see` that instead.
- Everything that touches the answer stands in a thunk. An exception outside of one is the grader's
  own failure: no verdict at all.
- Labels are calls as a learner would write them, each label once in a check, and what is shown
  helps to debug: bytes and lists, not True and False; one fact a `see`, so that no list shifts.
- Worlds, plural: sizes where all axes differ, and one where they are equal; batch 1; one layer and
  four; float32, float64, whole numbers where the task admits them; empty and full selections; a
  second object and a second call on the same one; the same name twice; nesting three deep;
  KeyboardInterrupt beside Exception; hooks that take `hook` by keyword only; replacements of zeros;
  `optimized(answer)` where the task speaks of `-O`. Data have a seed. Keep tensors small (some
  hundred numbers): they stand in `record.json`, and all records together stay below 600 KB.
- Few runs of small models: each takes a millisecond, and a class is thirty. What all answers need
  is kept with `@cache`, and `make_ready()`, if there is one, asks for it: a child is forked with
  it, as a copy of its own. `python -m tests.benchmarks.grading` says what a class takes.
- Points count up to the first check that fails; `@points(n)`, else 1. So order matters: first, as
  the gate and for few points, the whole purpose in all worlds, such that an answer that misses what
  the exercise is about has nothing; last, and worth most, what careful answers miss.

`meta/variants.py` has EDITS, at least ten: `Edit(name, {old text: new text, ..}, cause)`. Each old
text stands exactly once in the reference, the smaller the better (edits that overlap cannot be
paired). The cause is shown to any answer that behaves so in every check, however it is written: say
what the behaviour proves, then where it usually comes from. Where two edits behave alike, add a
world that tells them apart, or make them one. A numeric exercise has at least those of: no
centring, no weight, bias added, own scale for each part, another place's scale, transposed heads,
one layer off, wrong axis of the mean, late binding, a whole layer for one head. An input changed in
place is always one.

`hints.md` has `## Hint 1` to `## Hint 3`, and for each check but the first `## name_of_a_check`
(without `test_`): what helps where that check fails. It is given first then.

An exercise that builds on an earlier one names the import, `from exercises.earlier import
apply_ln`; `exercises/earlier.py` lists what can be had.

Then, until both are silent:

    python -m exercises record NAME     # the edits that show nothing, or the same as others
    python -m exercises mutants NAME    # small changes of the reference that pass

A mutant that passes asks for a better check, or stands in EQUIVALENT (the text that the command
prints: the reason). `pytest tests/test_bank.py -k NAME` then holds it all.
"""
