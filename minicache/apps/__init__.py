"""The front door: what `python -m minicache` runs. Apps use the package as any user would."""
