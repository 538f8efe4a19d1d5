"""From samples to a candidate: the forest, its file, its numbers. Nothing is judged here."""
