"""What several callbacks share; none of it is a callback."""
