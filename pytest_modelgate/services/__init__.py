"""What the plugin and the command line do: adapters and core put together, without pytest."""
