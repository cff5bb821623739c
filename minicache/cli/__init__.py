"""The commands of `python -m minicache`. They use the package as any user would."""
