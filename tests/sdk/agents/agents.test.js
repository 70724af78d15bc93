// Claude Code and Codex, as they are published, on models of other makers: each is made to run a real tool, and to go on
// with its result. Started by run.sh, which says where the gateway, its simulated provider and the agents are.
//
// The simulated provider calls the tool that the prompt names; what the tool did is seen on the disk, and that the agent went
// on with it by its answer, for the provider calls the tool until it has its result.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, mkdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

const { GATEWAY, SIMULATOR, KEY, AGENTS, PATH } = process.env;
const run = promisify(execFile);

/** A home and a place to work of its own, so that nothing of the user's is read or written. */
async function place() {
  const home = await mkdtemp(join(tmpdir(), "weighbridge-agent-"));
  const work = join(home, "work");
  await mkdir(work);
  return { home, work, proof: join(work, "proof.txt") };
}

/** Runs an agent; what it says goes into the error if it fails. */
async function agent(name, args, { home, work }, env) {
  const child = run(join(AGENTS, name), args, {
    cwd: work,
    env: { PATH, HOME: home, ...env },
    timeout: 120_000,
  });
  child.child.stdin?.end();
  return child;
}

const command = (proof) => `echo weighed by the agent > ${proof}`;

for (const model of ["local", "fast", "responses", "claude", "gemini", "bedrock"]) {
  test(`claude: runs a tool on ${model}`, async () => {
    const at = await place();
    const prompt = `call the tool Bash with ${JSON.stringify({ command: command(at.proof), description: "a proof" })}`;
    const args = ["-p", prompt, "--output-format", "json", "--allowedTools", "Bash", "--max-turns", "4"];
    const { stdout } = await agent("claude", args, at, {
      ANTHROPIC_BASE_URL: GATEWAY,
      ANTHROPIC_AUTH_TOKEN: KEY,
      ANTHROPIC_MODEL: model,
      ANTHROPIC_DEFAULT_HAIKU_MODEL: model,
      DISABLE_TELEMETRY: "1",
      DISABLE_AUTOUPDATER: "1",
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
    });
    const told = JSON.parse(stdout);
    assert.equal(told.is_error, false, stdout);
    assert.ok(told.num_turns >= 2, stdout);
    assert.ok(told.result, stdout);
    // Gemini's and Bedrock's simulation call the first tool with what its schema asks for: that it came back is enough.
    if (!["gemini", "bedrock"].includes(model)) {
      assert.equal(await readFile(at.proof, "utf8"), "weighed by the agent\n");
    }
  });
}

for (const model of ["local", "fast", "claude", "gemini", "bedrock"]) {
  test(`codex: runs a tool on ${model}`, async () => {
    const at = await place();
    await mkdir(join(at.home, ".codex"));
    await writeFile(join(at.home, ".codex", "config.toml"), [
      `model = "${model}"`,
      'model_provider = "weighbridge"',
      'web_search = "disabled"',
      "[analytics]",
      "enabled = false",
      "[model_providers.weighbridge]",
      'name = "weighbridge"',
      `base_url = "${GATEWAY}/v1"`,
      'env_key = "WB_KEY"',
      'wire_api = "responses"',
      "request_max_retries = 0",
      "stream_max_retries = 0",
      "",
    ].join("\n"));
    const prompt = `call the tool exec_command with ${JSON.stringify({ cmd: command(at.proof) })}`;
    const args = ["exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", prompt];
    const { stdout } = await agent("codex", args, at, { WB_KEY: KEY });
    assert.ok(stdout.trim(), "it answers");
    if (!["gemini", "bedrock"].includes(model)) {
      assert.equal(await readFile(at.proof, "utf8"), "weighed by the agent\n");
    }
  });
}

test("codex: a free-form tool comes back as one from Claude", async () => {
  const answer = await fetch(`${GATEWAY}/v1/responses`, {
    method: "POST",
    headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" },
    body: JSON.stringify({
      model: "claude",
      input: 'call the tool apply_patch with {"input":"*** Begin Patch"}',
      tools: [{ type: "custom", name: "apply_patch", description: "Patches files." }],
    }),
  });
  const body = await answer.json();
  assert.equal(answer.status, 200, JSON.stringify(body));
  const call = body.output.find((item) => item.type === "custom_tool_call");
  assert.equal(call?.input, "*** Begin Patch", JSON.stringify(body.output));
});

test("anthropic: count_tokens of a model of another maker", async () => {
  const answer = await fetch(`${GATEWAY}/v1/messages/count_tokens?beta=true`, {
    method: "POST",
    headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json", "anthropic-version": "2023-06-01" },
    body: JSON.stringify({ model: "local", messages: [{ role: "user", content: "How many tokens is this?" }] }),
  });
  const body = await answer.json();
  assert.ok(body.input_tokens > 0, JSON.stringify(body));
  assert.ok(["counted", "estimated"].includes(answer.headers.get("x-weighbridge-tokens")));
});

test("the provider refused nothing of what the agents sent", async () => {
  const stats = await (await fetch(`${SIMULATOR}/_simulate/stats`)).json();
  assert.ok(stats.requests > 20, JSON.stringify(stats));
  assert.equal(stats.errors, 0, JSON.stringify(stats));
});
