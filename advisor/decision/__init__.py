"""From a profile to a recommendation: rules vote, limits rule out, and the sums decide."""
