"""What is known beforehand of quality: published cases, and a record of one's own."""
