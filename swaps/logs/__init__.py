"""What vLLM and the launcher print: read, told and diagnosed."""
