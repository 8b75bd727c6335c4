"""What the SDK's own types say about the body of each endpoint, and the least that each accepts."""

from __future__ import annotations

from typing import Any, Final

from openai.types import (
    batch_create_params,
    completion_create_params,
    embedding_create_params,
    file_create_params,
    image_create_variation_params,
    image_edit_params,
    image_generate_params,
    moderation_create_params,
    upload_complete_params,
    upload_create_params,
)
from openai.types.audio import speech_create_params, transcription_create_params, translation_create_params
from openai.types.chat import completion_create_params as chat_params
from openai.types.chat import completion_update_params
from openai.types.conversations import (
    conversation_create_params,
    conversation_update_params,
    item_create_params,
)
from openai.types.responses import (
    input_token_count_params,
    response_compact_params,
    response_create_params,
)

from windtunnel.mock_server.api.media.sounds import sound

PARAMS: Final[dict[str, tuple[Any, ...]]] = {
    "chat.create": (
        chat_params.CompletionCreateParamsStreaming,
        chat_params.CompletionCreateParamsNonStreaming,
    ),
    "chat.update": (completion_update_params.CompletionUpdateParams,),
    "responses.create": (
        response_create_params.ResponseCreateParamsStreaming,
        response_create_params.ResponseCreateParamsNonStreaming,
    ),
    "responses.compact": (response_compact_params.ResponseCompactParams,),
    "responses.input_tokens": (input_token_count_params.InputTokenCountParams,),
    "conversations.create": (conversation_create_params.ConversationCreateParams,),
    "conversations.update": (conversation_update_params.ConversationUpdateParams,),
    "conversations.items.create": (item_create_params.ItemCreateParams,),
    "completions.create": (
        completion_create_params.CompletionCreateParamsStreaming,
        completion_create_params.CompletionCreateParamsNonStreaming,
    ),
    "embeddings.create": (embedding_create_params.EmbeddingCreateParams,),
    "moderations.create": (moderation_create_params.ModerationCreateParams,),
    "images.generate": (
        image_generate_params.ImageGenerateParamsStreaming,
        image_generate_params.ImageGenerateParamsNonStreaming,
    ),
    "images.edit": (
        image_edit_params.ImageEditParamsStreaming,
        image_edit_params.ImageEditParamsNonStreaming,
    ),
    "images.create_variation": (image_create_variation_params.ImageCreateVariationParams,),
    "audio.speech": (speech_create_params.SpeechCreateParams,),
    "audio.transcriptions": (
        transcription_create_params.TranscriptionCreateParamsStreaming,
        transcription_create_params.TranscriptionCreateParamsNonStreaming,
    ),
    "audio.translations": (translation_create_params.TranslationCreateParams,),
    "files.create": (file_create_params.FileCreateParams,),
    "uploads.create": (upload_create_params.UploadCreateParams,),
    "uploads.complete": (upload_complete_params.UploadCompleteParams,),
    "batches.create": (batch_create_params.BatchCreateParams,),
}
"""The types of each endpoint's body; `include` in some of them goes into the query."""

LEAST: Final[dict[str, dict[str, Any]]] = {
    "chat.create": {
        "model": "gpt-4.1-mini",
        "messages": [{"role": "user", "content": "Speak."}],
        "store": True,
    },
    "chat.update": {"metadata": {"a": "b"}},
    "responses.create": {"model": "gpt-4.1-mini", "input": "Speak."},
    "responses.compact": {"model": "gpt-4.1-mini", "input": "Speak."},
    "conversations.items.create": {"items": [{"type": "message", "role": "user", "content": "Speak."}]},
    "audio.speech": {"model": "tts-1", "input": "Speak.", "voice": "alloy"},
    "batches.create": {"completion_window": "24h", "endpoint": "/v1/chat/completions"},
    "uploads.create": {"bytes": 1, "filename": "a.txt", "mime_type": "text/plain", "purpose": "assistants"},
}
"""Values that the types say less about than the API does."""

STARTS: Final[dict[str, str]] = {
    "chat": "chatcmpl-",
    "responses": "resp_",
    "conversations": "conv_",
    "files": "file-",
    "uploads": "upload_",
    "batches": "batch_",
}
"""How the ids of an endpoint's objects begin, by the first word of its name."""

FILES: Final[tuple[bytes, ...]] = (
    b"",
    b"x",
    sound("wav", 0.5, "x"),
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
    b'{"custom_id":"a","method":"POST","url":"/v1/chat/completions",'
    b'"body":{"model":"m","messages":[{"role":"user","content":"x"}]}}\n',
    b'{"custom_id":"a"}\n[]\n\xff\n{"custom_id":"a","method":"POST","url":"/v1/embeddings","body":7}\n',
)
"""What is uploaded: nothing, no format at all, the beginnings of sounds and images, lines of batches."""

NAMES: Final = ("a.wav", "a.mp3", "a.png", "a.jsonl", "a", "", "é\U0001f600.png", "../../a.wav")
