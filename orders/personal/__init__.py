"""What a buyer may ask of us: what we hold of them, and that it be erased."""
