"""What an operator asks for: what is stale, and a night run while it arrives."""
