"""The support file: what an engineer needs who cannot log in; no secret, no buyer."""
