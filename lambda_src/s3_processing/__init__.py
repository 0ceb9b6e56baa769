"""The handlers of S3Processing: the objects of a bucket into a table, and word of each to a topic."""
