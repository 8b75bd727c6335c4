"""Azure OpenAI: its paths, its errors and its content filter, around the answers of the API."""
