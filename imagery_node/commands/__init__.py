"""What `imagery-node` does when it is called: here builder, catalogue and service meet."""
