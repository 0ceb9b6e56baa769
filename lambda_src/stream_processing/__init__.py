"""The handler of StreamProcessing: the records of a stream become a view, and a trail of what happened."""
