"""What is recorded from here is no test."""

collect_ignore_glob = ["recordings/*", "record.py"]
