"""HTTP routes: parse, call, respond."""
