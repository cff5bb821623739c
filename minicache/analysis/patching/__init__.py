"""Find causes: patch activations, estimate patches by gradients, ablate parts, patch paths."""

from minicache.analysis.patching.ablation import *  # noqa: F403
from minicache.analysis.patching.attribution import *  # noqa: F403
from minicache.analysis.patching.every import *  # noqa: F403
from minicache.analysis.patching.paths import *  # noqa: F403
from minicache.analysis.patching.sweeps import *  # noqa: F403
