"""Python environments with other versions in them: found, asked what they have, made, removed."""
