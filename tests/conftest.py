"""Shared set-up. Small models gain nothing from two threads, and xdist runs two of us."""

import os

import pytest
import torch
from hypothesis import HealthCheck, settings

from exercises.grader.accelerator import accelerator
from minicache import HookedTransformer

pytest.register_assert_rewrite("tests.worlds")  # so that its asserts hold under -O too
torch.set_num_threads(1)
# Before the first backward, when autograd counts the devices that there are. And its first tensor
# makes torch load more of itself: here once, and not in every graded child.
torch.ones(1).to(accelerator())
os.environ.setdefault("OMP_NUM_THREADS", "1")
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
settings.load_profile("minicache")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests that grade come first, in every process.

    A backward pass starts a thread for the simulated accelerator, and then a forked child has no
    autograd any more. The grader's own process, `pytest exercises`, never runs one.

    Each test has a time limit. It stands here, because who only grades has no pytest-timeout.
    """
    for item in items:
        item.add_marker(pytest.mark.timeout(300))
    items.sort(key=lambda item: item.path.name not in ("test_bank.py", "test_grader.py"))


@pytest.fixture
def shipped() -> HookedTransformer:
    return HookedTransformer.from_pretrained()
