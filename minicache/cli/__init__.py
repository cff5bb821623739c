"""The commands of `python -m minicache`. They use only what the package offers to every user."""
