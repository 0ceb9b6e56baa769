"""What the handlers of several patterns need; packed into every function."""
