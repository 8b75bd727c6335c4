"""Audio: sounds that are valid in every format, and transcripts in every shape of the SDK."""

from __future__ import annotations

import io
import itertools
import struct
import wave
from base64 import b64decode
from collections.abc import Callable
from hashlib import md5, sha256
from typing import Any

import openai
import orjson
import pytest
from openai.types.audio import (
    SpeechCreateParams,
    Transcription,
    TranscriptionDiarized,
    TranscriptionTextDeltaEvent,
    TranscriptionTextDoneEvent,
    TranscriptionTextSegmentEvent,
    TranscriptionVerbose,
    Translation,
    TranslationCreateParams,
    TranslationVerbose,
)
from openai.types.audio.transcription_create_params import TranscriptionCreateParamsBase

from tests.mock_server.api.conftest import Wire
from tests.mock_server.api.sdk_clients import async_sdk, form, in_process, post, refusal, sdk, strict
from windtunnel.mock_server.api.media import audio_requests, speech
from windtunnel.mock_server.api.media.sounds import FORMATS, RATE, sound
from windtunnel.mock_server.api.truth import digest

# The SDK calls some of these endpoints deprecated; applications still use them.
pytestmark = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")

WAV = ("say.wav", sound("wav", 1.5, "0123456789abcdef"))
EVENTS: dict[str, Any] = {
    "transcript.text.delta": TranscriptionTextDeltaEvent,
    "transcript.text.segment": TranscriptionTextSegmentEvent,
    "transcript.text.done": TranscriptionTextDoneEvent,
}


def test_fields_are_the_sdks() -> None:
    """The fields that are known are those of the SDK."""
    assert set(speech.FIELDS) == SpeechCreateParams.__annotations__.keys()
    given = {*TranscriptionCreateParamsBase.__annotations__, "stream"}
    assert set(audio_requests.FIELDS["transcribe"]) == given
    assert set(audio_requests.FIELDS["translate"]) == TranslationCreateParams.__annotations__.keys()


def seconds_of(kind: str, data: bytes) -> float:
    """How long a sound is, read frame by frame, where every frame must be whole and begin where it should."""
    if kind == "pcm":
        return len(data) / 2 / RATE
    if kind == "wav":
        with wave.open(io.BytesIO(data)) as read:
            assert (read.getframerate(), read.getnchannels(), read.getsampwidth()) == (RATE, 1, 2)
            assert len(read.readframes(read.getnframes())) == 2 * read.getnframes()
            return int(read.getnframes()) / RATE
    readers: dict[str, Callable[[bytes], float]] = {"mp3": mp3, "aac": aac, "flac": flac, "opus": opus}
    return readers[kind](data)


def mp3(data: bytes) -> float:
    """MPEG-2 layer III after an ID3 tag."""
    assert data[:3] == b"ID3"
    at = 10 + (data[8] << 7 | data[9])
    frames = 0
    while at < len(data):
        head = int.from_bytes(data[at : at + 4], "big")
        assert head >> 17 == 0b111111111111001, "sync, MPEG-2, layer III"
        rate = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)[(head >> 12 & 15) - 1]
        assert head >> 10 & 3 == 1, "24 kHz"
        at += 72 * rate * 1000 // RATE
        frames += 1
    assert at == len(data)
    return frames * 576 / RATE


def aac(data: bytes) -> float:
    """AAC-LC in ADTS."""
    at = frames = 0
    while at < len(data):
        head = int.from_bytes(data[at : at + 7], "big")
        assert head >> 44 == 0xFFF
        assert (head >> 38 & 3, head >> 34 & 15, head >> 30 & 7) == (1, 6, 1), "AAC-LC, 24 kHz, mono"
        at += head >> 13 & 0x1FFF
        frames += 1
    assert at == len(data)
    return frames * 1024 / RATE


def flac(data: bytes) -> float:
    """FLAC: the header's count of samples and their MD5, and the frames' numbers."""
    assert data[:4] == b"fLaC"
    packed = int.from_bytes(data[18:26], "big")
    assert packed >> 44 == RATE
    samples = packed & (1 << 36) - 1
    assert data[26:42] == md5(bytes(2 * samples), usedforsecurity=False).digest()
    at = 42 + 4 + int.from_bytes(data[43:46], "big")
    numbers = [data[place + 4] for place in range(at, len(data), 11)]
    assert all(data[place : place + 2] == b"\xff\xf8" for place in range(at, len(data), 11))
    assert numbers == list(range(samples // 4096))
    return samples / RATE


def opus(data: bytes) -> float:
    """Ogg pages in sequence, and the last one's position."""
    at, number, position = 0, 0, 0
    while at < len(data):
        _, _, kind, position, _, sequence, _, count = struct.unpack_from("<4sBBqIIIB", data, at)
        assert (data[at : at + 4], sequence) == (b"OggS", number)
        assert kind == {0: 2, 1: 0, 2: 4}[number]
        sizes = data[at + 27 : at + 27 + count]
        body = at + 27 + count
        assert number or data[body : body + 8] == b"OpusHead"
        at = body + sum(sizes)
        number += 1
    assert (at, number) == (len(data), 3)
    return position / 48_000


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("seconds", [0.01, 0.5, 2.0, 99.0])
def test_sounds_are_whole(kind: str, seconds: float) -> None:
    """Every format's frames follow each other to the end, for as long as asked but two seconds at most."""
    data = sound(kind, seconds, "0123456789abcdef")
    assert min(seconds, 2.0) <= seconds_of(kind, data) <= min(seconds, 2.0) + 4096 / RATE
    assert len(data) < 100_000


def test_checksums_are_those_of_the_formats() -> None:
    """The checksums of FLAC and Ogg are right on the values that their descriptions are checked with."""
    from windtunnel.mock_server.api.media.sounds import _crc

    assert _crc(b"123456789", 8, 0x07) == 0xF4
    assert _crc(b"123456789", 16, 0x8005) == 0xFEE8
    assert _crc(b"123456789", 32, 0x04C11DB7) == 0x89A1897F


@pytest.mark.parametrize("kind", FORMATS)
def test_speech_in_every_format(kind: Any) -> None:
    """The SDK gets a sound of the format asked for, with its content type, and the truth is its hash."""
    request = post(
        "/v1/audio/speech", model="tts-1", input="Hello there.", voice="alloy", response_format=kind
    )
    found = Wire.reply(request)
    data = Wire.bytes(found.script)
    assert seconds_of(kind, data) >= 12 / 15
    assert found.truth_digest == digest([(0, sha256(data).hexdigest(), None, (), None)])
    with sdk(in_process()) as client:
        said = client.audio.speech.create(
            model="tts-1", input="Hello there.", voice={"id": "voice_1"}, response_format=kind, speed=2
        )
        assert said.response.headers["content-type"].startswith("audio/")
        assert seconds_of(kind, said.content) <= seconds_of(kind, data)


async def test_speech_streams() -> None:
    """`stream_format: sse` sends the sound in pieces, then the usage; other formats stream as bytes."""
    request = post("/v1/audio/speech", model="gpt-4o-mini-tts", input="Hi!", voice="a", stream_format="sse")
    assert request.stream
    events = [data for _, data in Wire.events(Wire.reply(request).script)]
    pieces = [b64decode(event["audio"]) for event in events[:-1]]
    assert {event["type"] for event in events[:-1]} == {"speech.audio.delta"}
    assert seconds_of("mp3", b"".join(pieces)) > 0.1
    assert events[-1]["type"] == "speech.audio.done"
    assert events[-1]["usage"]["total_tokens"] == sum(list(events[-1]["usage"].values())[:2])
    async with async_sdk(in_process()) as client:
        asked = client.audio.speech.with_streaming_response.create(
            model="tts-1", input="Hi!", voice="alloy", stream_format="audio"
        )
        async with asked as answer:
            assert seconds_of("mp3", b"".join([piece async for piece in answer.iter_bytes()])) > 0.1


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": None}, "input"),
        ({"input": ""}, "input"),
        ({"input": "x" * 4097}, "input"),
        ({"voice": None}, "voice"),
        ({"voice": 7}, "voice"),
        ({"voice": {}}, "voice.id"),
        ({"speed": 9}, "speed"),
        ({"response_format": "ogg"}, "response_format"),
        ({"stream_format": "sse"}, "stream_format"),
        ({"pitch": 1}, "pitch"),
    ],
)
def test_wrong_speech_is_refused(body: dict[str, Any], param: str) -> None:
    """A 400 names the field that is wrong."""
    given = {"model": "tts-1", "input": "Hi", "voice": "alloy", **body}
    request = post("/v1/audio/speech", **{name: value for name, value in given.items() if value is not None})
    status, error = refusal(request)
    assert (status, error["param"]) == (400, param)


def transcribed(fields: dict[str, Any], path: str = "transcriptions") -> Any:
    """The answer to a form with one sound."""
    given = {"model": "whisper-1", **fields}
    return Wire.reply(form(f"/v1/audio/{path}", given, file=WAV))


@pytest.mark.parametrize(
    ("fields", "model"),
    [
        ({}, Transcription),
        ({"model": "gpt-4o-transcribe", "include[]": "logprobs", "prompt": "Names."}, Transcription),
        ({"model": "gpt-transcribe", "languages[]": ["de", "en"], "keywords[]": ["fan"]}, Transcription),
        ({"response_format": "verbose_json", "language": "fr", "temperature": "0.5"}, TranscriptionVerbose),
        (
            {"response_format": "verbose_json", "timestamp_granularities[]": ["word", "segment"]},
            TranscriptionVerbose,
        ),
        ({"model": "gpt-4o-transcribe-diarize", "response_format": "diarized_json"}, TranscriptionDiarized),
    ],
)
def test_transcripts_have_the_sdks_shape(fields: dict[str, Any], model: Any) -> None:
    """Every JSON format validates strictly, and its text is the truth."""
    found = transcribed(fields)
    given = Wire.json(found.script)
    if model is TranscriptionVerbose:
        assert given.pop("task") == "transcribe"  # sent by the API, unknown to the SDK
    said = strict(model, orjson.dumps(given))
    assert found.truth_digest == digest([(0, said.text, None, (), None)])
    assert Wire.work(found.script) == found.tokens


def test_timestamps_cover_the_sound() -> None:
    """Words and segments follow each other from the start of the sound to its end, each where it was asked for."""
    fields = {"response_format": "verbose_json", "timestamp_granularities[]": ["word", "segment"]}
    said = Wire.json(transcribed(fields).script)
    assert said["duration"] == 1.5
    for entries in (said["words"], said["segments"]):
        assert entries[0]["start"] == 0
        assert entries[-1]["end"] == 1.5
        assert all(one["end"] == other["start"] for one, other in itertools.pairwise(entries))
    assert " ".join(entry["word"] for entry in said["words"]) == said["text"]
    assert "".join(entry["text"] for entry in said["segments"]).strip() == said["text"]
    assert said["language"] == "english"
    words = Wire.json(transcribed({**fields, "timestamp_granularities[]": ["word"]}).script)
    assert "segments" not in words
    assert "words" not in Wire.json(transcribed({"response_format": "verbose_json"}).script)


def test_speakers_have_their_names() -> None:
    """Known speakers keep their names, others are letters."""
    same = {"model": "gpt-4o-transcribe-diarize", "response_format": "diarized_json"}
    said = Wire.json(transcribed(same).script)
    assert {entry["speaker"] for entry in said["segments"]} <= {"A", "B"}
    known = Wire.json(transcribed({**same, "known_speaker_names[]": ["agent"]}).script)
    assert {entry["speaker"] for entry in known["segments"]} == {"agent"}


def test_subtitles() -> None:
    """SRT is numbered and has commas, VTT has a head and points, and text is a line."""
    text = Wire.bytes(transcribed({"response_format": "text"}).script).decode()
    srt = Wire.bytes(transcribed({"response_format": "srt"}).script).decode()
    vtt = Wire.bytes(transcribed({"response_format": "vtt"}).script).decode()
    assert text.count("\n") == 1
    assert srt.startswith("1\n00:00:00,000 --> 00:00:0")
    assert vtt.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:0")
    for subtitles, lines in ((srt, 3), (vtt.removeprefix("WEBVTT\n\n"), 2)):
        blocks = [block.split("\n") for block in subtitles.strip().split("\n\n")]
        assert {len(block) for block in blocks} == {lines}
        assert " ".join(block[-1] for block in blocks) == text.strip()


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "gpt-4o-transcribe"},
        {"model": "gpt-4o-transcribe", "include[]": "logprobs"},
        {"model": "gpt-transcribe"},
        {"model": "gpt-4o-transcribe-diarize", "response_format": "diarized_json"},
    ],
)
def test_streamed_transcripts(fields: dict[str, Any]) -> None:
    """Deltas put together are the text of the last event, which is the truth; every event validates strictly."""
    found = transcribed({"stream": "true", **fields})
    events = [strict(EVENTS[data["type"]], orjson.dumps(data)) for _, data in Wire.events(found.script)]
    done: Any = events[-1]
    deltas = [event for event in events if event.type == "transcript.text.delta"]
    assert "".join([event.delta for event in deltas]) == done.text
    assert found.truth_digest == digest([(0, done.text, None, (), None)])
    assert Wire.work(found.script) == found.tokens
    if "include[]" in fields:
        tokens = [token.model_dump() for event in deltas for token in event.logprobs]
        assert tokens == [token.model_dump() for token in done.logprobs]
    if "response_format" in fields:
        ids = [event.id for event in events if event.type == "transcript.text.segment"]
        assert ids == [event.segment_id for event in deltas]


def test_whisper_does_not_stream() -> None:
    """For `whisper-1` the stream flag is ignored, as OpenAI does."""
    assert Wire.json(transcribed({"stream": "true"}).script)["text"]


@pytest.mark.parametrize(
    ("kind", "model"), [("json", Translation), ("verbose_json", TranslationVerbose), ("srt", None)]
)
def test_translations(kind: str, model: Any) -> None:
    """Translations are English, in the SDK's shapes or as text."""
    found = transcribed({"response_format": kind}, "translations")
    if model is None:
        assert Wire.bytes(found.script).startswith(b"1\n")
        return
    given = Wire.json(found.script)
    assert given.pop("task", "translate") == "translate"
    strict(model, orjson.dumps(given))
    assert given.get("language", "english") == "english"


@pytest.mark.parametrize(
    ("fields", "file", "status", "message"),
    [
        ({"model": ""}, WAV, 400, "model parameter"),
        ({}, ("say.txt", b"x"), 400, "Invalid file format. Supported formats: ['flac'"),
        ({}, ("say.mp3", b""), 400, "too short"),
        ({}, ("say.mp3", bytes(26_214_401)), 413, "(26214400) exceeded (26214401 bytes read)"),
        ({"temperature": "hot"}, WAV, 400, "temperature"),
        ({"temperature": "2"}, WAV, 400, "temperature"),
        ({"response_format": "doc"}, WAV, 400, "doc"),
        ({"response_format": "diarized_json"}, WAV, 400, "not compatible"),
        ({"model": "gpt-4o-transcribe", "response_format": "srt"}, WAV, 400, "Use 'json' or 'text' instead"),
        ({"include[]": "logprobs"}, WAV, 400, "not available"),
        ({"timestamp_granularities[]": "word"}, WAV, 400, "verbose_json"),
        ({"speed": "1"}, WAV, 400, "Unknown parameter: 'speed'"),
    ],
)
def test_wrong_transcriptions_are_refused(
    fields: dict[str, Any], file: tuple[str, bytes], status: int, message: str
) -> None:
    """A 400, or a 413 above 25 MB, says what is wrong."""
    found, error = refusal(form("/v1/audio/transcriptions", {"model": "whisper-1", **fields}, file=file))
    assert found == status
    assert message in error["message"]


def test_the_sdk_transcribes() -> None:
    """The client gets every kind of transcript and translation, streamed too."""
    with sdk(in_process()) as client:
        make = client.audio.transcriptions.create
        assert make(file=WAV, model="whisper-1").text
        verbose = make(
            file=WAV, model="whisper-1", response_format="verbose_json", timestamp_granularities=["word"]
        )
        assert isinstance(verbose, TranscriptionVerbose)
        assert verbose.words
        assert "-->" in make(file=WAV, model="whisper-1", response_format="vtt")
        assert make(file=WAV, model="gpt-4o-transcribe", include=["logprobs"]).logprobs
        diarized: Any = make(
            file=WAV,
            model="gpt-4o-transcribe-diarize",
            response_format="diarized_json",
            chunking_strategy={"type": "server_vad", "threshold": 0.5},
            known_speaker_names=["a", "b"],
            known_speaker_references=["data:,", "data:,"],
        )
        assert diarized.segments[0].speaker == "a"
        with make(file=WAV, model="gpt-4o-transcribe", stream=True) as stream:
            assert [event.type for event in stream][-1] == "transcript.text.done"
        assert client.audio.translations.create(file=WAV, model="whisper-1").text
        with pytest.raises(openai.BadRequestError, match="Invalid file format"):
            make(file=("a.txt", b"x"), model="whisper-1")


async def test_async_clients_transcribe() -> None:
    """The async client transcribes, streams and translates."""
    async with async_sdk(in_process()) as client:
        make = client.audio.transcriptions.create
        assert (await make(file=WAV, model="gpt-transcribe")).languages[0].code == "en"
        stream = await make(file=WAV, model="gpt-4o-mini-transcribe", stream=True, include=["logprobs"])
        assert [event.type async for event in stream][-1] == "transcript.text.done"
        said = await client.audio.translations.create(
            file=WAV, model="whisper-1", response_format="verbose_json"
        )
        assert said.language == "english"
