"""One language model: found, prompted, scored, generated from, trained."""
