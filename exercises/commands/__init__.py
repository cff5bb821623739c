"""What `python -m exercises` does: a module for each command."""
