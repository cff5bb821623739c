"""Activations over a whole data set: its texts, the run, and the files that it writes."""
