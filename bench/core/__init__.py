"""What every part speaks: the contender's shape, a run's folder, meters."""
