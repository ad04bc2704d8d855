"""What is known about quality: published cases, and the record of your own experiment."""
