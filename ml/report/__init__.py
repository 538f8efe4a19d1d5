"""What people read of a model: text, pages and pictures, made of its metrics alone."""
