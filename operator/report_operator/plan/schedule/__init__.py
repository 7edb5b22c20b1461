"""ScheduledReports: which slots are due, about which time, and which Reports that makes."""
