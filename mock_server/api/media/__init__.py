"""Pictures, speech and transcripts: small valid files, made without libraries because they must cost no time."""
