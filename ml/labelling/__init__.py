"""Which rows a person should label next, and why."""
