"""Pictures over HTTP: tiles, item surfaces and the portal."""
