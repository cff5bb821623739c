#!/usr/bin/env bash
# Gradescope runs this once, as root, when it builds the autograder's image.
set -euo pipefail
source_folder="${AUTOGRADER:-/autograder}/source"

usable() { "$1" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
find_python() {
    for name in python3.14 python3.13 python3.12 python3.11 python3; do
        if usable "$name"; then echo "$name"; return; fi
    done
}

# First of all, before anything large is downloaded. The default image, Ubuntu 22.04, has Python
# 3.10, and 3.11 as a package.
python=$(find_python)
if [ -z "$python" ] && command -v apt-get >/dev/null; then
    { apt-get update -qq && apt-get install -y -qq python3.11 python3.11-venv; } >/dev/null || true
    python=$(find_python)
fi
if [ -z "$python" ]; then
    echo "minicache needs Python 3.11 or later with venv, and this image has no such Python." >&2
    echo "Choose a newer base image, or install python3.11 and python3.11-venv here." >&2
    exit 1
fi
echo "Python: $("$python" --version)"

"$python" -m venv "$source_folder/.venv"
pip=("$source_folder/.venv/bin/pip" install --quiet -c "$source_folder/constraints.txt")
# torch from PyTorch's CPU index: the ordinary wheel for Linux brings CUDA, which is gigabytes.
torch_index="${TORCH_INDEX-https://download.pytorch.org/whl/cpu}"
if [ -n "$torch_index" ]; then "${pip[@]}" --no-deps --index-url "$torch_index" torch; fi
"${pip[@]}" -e "$source_folder" pytest
