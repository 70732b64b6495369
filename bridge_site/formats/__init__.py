"""How numbers and days are written, where Django has no rules of a language."""
