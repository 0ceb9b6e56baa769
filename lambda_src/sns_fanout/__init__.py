"""The handler of the subscribers that come with the topic of SnsFanout: audit, totals and notifications."""
