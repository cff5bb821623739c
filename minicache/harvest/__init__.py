"""Collect activations over a whole data set: read its texts, run the model, write shards."""
