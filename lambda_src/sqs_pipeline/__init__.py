"""Orders through a queue: an API takes them in, a worker charges each once and announces what became of it."""
