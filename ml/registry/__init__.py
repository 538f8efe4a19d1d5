"""MODELS_DIR: what lies there, and the only code that changes it. Nothing is trained or judged."""
