"""The Data Docs site: where results are kept, and its pages. Nothing is judged here."""
