"""The steps from each schema of the index to the next, oldest first."""
