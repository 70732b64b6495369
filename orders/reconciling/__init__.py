"""Proves that nothing was missed: what contradicts a promise becomes a finding."""
