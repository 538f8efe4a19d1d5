"""How good a model is, and whether it may replace production. Only the verdict is written."""
