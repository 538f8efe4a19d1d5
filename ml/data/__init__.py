"""Labelled samples: read from the frozen table, split in time, described. Nothing is trained."""
