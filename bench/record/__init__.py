"""What came out: from a run's files to one JSON value."""
