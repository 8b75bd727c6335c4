// Programs for Node's own fetch: `node fetch.mjs NAME`. Each prints what it did, as it knows it.
const url = process.env.OPENAI_BASE_URL + "/chat/completions";
const headers = { "content-type": "application/json", authorization: `Bearer ${process.env.OPENAI_API_KEY}` };
const truth = { calls: 0, attempts: 0 };
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

async function call(text, read) {
  truth.calls++;
  const body = JSON.stringify({ model: "gpt-4o-mini", messages: [{ role: "user", content: text }] });
  for (let attempt = 0; attempt < 8; attempt++) {
    truth.attempts++;
    const answer = await fetch(url, { method: "POST", headers, body });
    if (read || answer.ok) await answer.text();
    if (answer.ok) return;
    await sleep(60 * 1.5 ** attempt);
  }
}

const programs = {
  async read() {
    for (let i = 0; i < 40; i++) await call(`question ${i}`, true);
  },
  // The body of an error is left unread, so its connection cannot be used again, and stays open.
  async unread() {
    for (let i = 0; i < 40; i++) await call(`question ${i}`, false);
  },
  async one_prompt() {
    await Promise.all(Array.from({ length: 24 }, () => call("the same", true)));
  },
};

await programs[process.argv[2]]();
console.log(JSON.stringify(truth));
