"""One language model: loading it, prompting, scoring, generating, embedding and training."""
