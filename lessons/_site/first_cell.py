# Find minicache: where it is installed, or in a copy of its repository, or in a wheel of it. The
# copy or the wheel may lie in this notebook's folder, in one inside it, or in one above. Then
# install what is missing. Nothing called minicache is taken from PyPI: there it is another project.
import os
import subprocess
import sys
from importlib import invalidate_caches
from importlib.util import find_spec
from pathlib import Path

NEEDED = []  # what this page imports


class NotReadyError(ImportError):
    def _render_traceback_(self):  # Jupyter then shows the sentence alone
        return [str(self)]


def is_ours(folder):
    return os.path.isfile(folder / "minicache" / "hooks" / "root.py")


def install(*arguments):
    command = [sys.executable, "-m", "pip", "install", "--quiet", *pins, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode:
        words = " ".join(command[1:])
        raise NotReadyError(f"This did not work: python {words}\n{done.stderr.strip()}")


if sys.version_info < (3, 11):
    raise NotReadyError(f"This page needs Python 3.11 or later. This kernel is {sys.version}.")
here, found = Path.cwd(), find_spec("minicache")
places = [here, *here.parents, *sorted(place for place in here.iterdir() if place.is_dir())]
wheels = [wheel for place in places for wheel in sorted(place.glob("minicache-*.whl"))]
copy = next(filter(is_ours, places), None)
pins = []
if copy and (copy / "constraints.txt").is_file():
    pins = ["-c", str(copy / "constraints.txt")]
if found and found.origin and is_ours(Path(found.origin).parents[1]):
    pass  # it is installed
elif copy:
    sys.path.insert(0, str(copy))
    paths = [str(copy), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
elif wheels:
    install("--no-deps", "--force-reinstall", str(wheels[0]))
else:
    raise NotReadyError(
        f"This page needs minicache, and there is none in {here}. Put a copy of its repository "
        "there, or a wheel of it, and run this cell again. `pip wheel --no-deps .`, in the "
        "repository's folder, writes the wheel. The minicache on PyPI is another project's."
    )
missing = [name for name in NEEDED if not find_spec(name)]
if missing:
    print("Installing", ", ".join(missing), "(this can take some minutes)")
    if "torch" in missing and sys.platform == "linux":  # the ordinary build brings CUDA: gigabytes
        install("--no-deps", "--index-url", "https://download.pytorch.org/whl/cpu", "torch")
    install(*missing)
invalidate_caches()
