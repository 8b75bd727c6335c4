"""Embeddings. A folder of three like every other family, though its files are small."""
