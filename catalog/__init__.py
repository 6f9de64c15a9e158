"""What the node holds: Items, their store, publishing, and the STAC API."""
