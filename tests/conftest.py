"""Shared set-up. Small models gain nothing from two threads, and xdist runs two of us."""

import os
import signal

import jaxtyping
import pytest
import torch
from hypothesis import HealthCheck, Phase, is_hypothesis_test, settings

CHECK_SHAPES = "MINICACHE_CHECK_SHAPES" in os.environ
if CHECK_SHAPES:  # before anything of minicache is imported: each call's annotations are checked
    jaxtyping.install_import_hook("minicache", "beartype.beartype")

from exercises.grader.accelerator import accelerator  # noqa: E402  # after the import hook
from minicache import HookedTransformer  # noqa: E402

pytest.register_assert_rewrite("tests.worlds")  # so that its asserts hold under -O too
torch.set_num_threads(1)
os.environ.setdefault("OMP_NUM_THREADS", "1")
GRADING = ("test_bank.py", "test_grader.py", "test_handins.py", "test_workshop.py")
settings.register_profile(
    "minicache",
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "thorough", settings.get_profile("minicache"), max_examples=1000, derandomize=False
)
settings.register_profile(
    "shapes", settings.get_profile("minicache"), max_examples=10, phases=[Phase.generate]
)
settings.load_profile("shapes" if CHECK_SHAPES else "minicache")


def pytest_configure(config: pytest.Config) -> None:
    """Set the simulated accelerator up, but for `-m cuda`: torch has one accelerator a process.

    It comes before the first backward, when autograd counts the devices that there are. And its
    first tensor makes torch load more of itself: here once, and not in every graded child.
    """
    # A shell's job in the background ignores Ctrl+C, and whatever we start would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.option.markexpr != "cuda":
        torch.ones(1).to(accelerator())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests that grade come first, in every process.

    A backward pass starts a thread for the simulated accelerator, and then a forked child has no
    autograd any more. The grader's own process, `pytest exercises`, never runs one.

    Each test has a time limit. It stands here, because who only grades has no pytest-timeout.

    With MINICACHE_CHECK_SHAPES set, only the laws run, and those of the bridge: other tests hand in
    wrong types on purpose, as one of the bridge's does, which has a mark.
    """
    if CHECK_SHAPES:
        items[:] = [
            item
            for item in items
            if is_hypothesis_test(getattr(item, "obj", None))
            or (item.path.parent.name == "bridge" and not item.get_closest_marker("wrong_type"))
        ]
    for item in items:
        item.add_marker(pytest.mark.timeout(300))
    items.sort(key=lambda item: item.path.name not in GRADING)


@pytest.fixture
def shipped() -> HookedTransformer:
    return HookedTransformer.from_pretrained()
