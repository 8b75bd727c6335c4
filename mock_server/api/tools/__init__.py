"""Tools and structured output: what chat completions and responses share."""
