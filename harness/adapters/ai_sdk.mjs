// The Vercel AI SDK with @ai-sdk/openai as they come: `node ai_sdk.mjs [--max-retries N]`.

import { parseArgs } from 'node:util';
import { load, run } from './speaking.mjs';

const { generateText, streamText } = load('ai');
const { createOpenAI } = load('@ai-sdk/openai');
const { values } = parseArgs({ options: { 'max-retries': { type: 'string' } } });
const options = values['max-retries'] ? { maxRetries: Number(values['max-retries']) } : {};
const finishReasons = { 'content-filter': 'content_filter', 'tool-calls': 'tool_calls' };

async function ask(call, signal) {
  if (call.api !== 'chat' && call.api !== 'responses') throw new Error(`this adapter does not speak ${call.api}`);
  const provider = createOpenAI({ baseURL: call.base_url, apiKey: call.api_key, headers: call.headers });
  const model = call.api === 'chat' ? provider.chat(call.model) : provider.responses(call.model);
  const prompt = call.messages?.at(-1).content ?? call.input;
  const maxOutputTokens = call.body.max_completion_tokens ?? call.body.max_output_tokens;
  const request = { model, prompt, maxOutputTokens, abortSignal: signal, ...options };
  if (!call.stream) {
    const { text, finishReason } = await generateText(request);
    return { text, finish_reason: finishReasons[finishReason] ?? finishReason };
  }
  let failed = null; // a stream's errors go to a callback: iterating the text just ends
  const result = streamText({ ...request, onError: ({ error }) => (failed = error) });
  let text = '';
  for await (const piece of result.textStream) {
    text += piece;
    call.content(piece);
  }
  if (failed) throw failed;
  const reason = await result.finishReason;
  return { text, finish_reason: finishReasons[reason] ?? reason };
}

run(ask, 'ai', '@ai-sdk/openai');
