"""The handler of ScheduledReport: a schedule's tick in, a report in the bucket and word of it out."""
