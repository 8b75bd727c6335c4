"""A wind tunnel for OpenAI clients."""
