"""Replays past Sundays on the labelled rows of today, by the code of the weekly run."""
