// The official SDK for Node as it comes: `node openai_node.mjs [--timeout MS] [--max-retries N]`.

import { parseArgs } from 'node:util';
import { load, run } from './speaking.mjs';

const { OpenAI } = load('openai');
const { values } = parseArgs({ options: { timeout: { type: 'string' }, 'max-retries': { type: 'string' } } });
const options = {};
if (values.timeout) options.timeout = Number(values.timeout);
if (values['max-retries']) options.maxRetries = Number(values['max-retries']);
const clients = new Map();

function clientFor({ base_url, api_key }) {
  if (!clients.has(base_url)) {
    clients.set(base_url, new OpenAI({ baseURL: base_url, apiKey: api_key, ...options }));
  }
  return clients.get(base_url);
}

async function ask(call, signal) {
  const client = clientFor(call);
  const apis = { chat: client.chat.completions, responses: client.responses, embeddings: client.embeddings };
  const answer = await apis[call.api].create(call.body, { headers: call.headers, signal });
  if (!call.stream) return { answer };
  if (call.api === 'responses') {
    for await (const event of answer) {
      if (event.type === 'response.output_text.delta') call.content(event.delta);
      if (['response.completed', 'response.incomplete', 'response.failed'].includes(event.type)) {
        return { answer: event.response };
      }
    }
    return { text: '' };
  }
  let text = '';
  let finish = null;
  for await (const chunk of answer) {
    for (const choice of chunk.choices) {
      text += choice.delta.content ?? '';
      call.content(choice.delta.content);
      finish = choice.finish_reason ?? finish;
    }
  }
  return { text, finish_reason: finish };
}

run(ask, 'openai');
