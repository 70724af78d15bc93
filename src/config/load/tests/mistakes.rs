//! What every mistake in a configuration says.

use super::load;

#[test]
fn every_mistake_names_file_line_key_path_and_what_to_do() {
    for (name, text, want) in MISTAKES {
        let said = load(text).map(|_| ()).map_err(|errors| errors.to_string());
        assert_eq!(said, Err(want.join("\n")), "{name}");
    }
}

/// (name, text, what is said, one mistake a line)
const MISTAKES: &[(&str, &str, &[&str])] = &[
    (
        "a word that is nearly a key",
        "server: { thread: 2 }\n",
        &["w.yaml:1: server.thread: unknown key; did you mean `threads`?"],
    ),
    (
        "a key that is far from all",
        "\
         server:\n\
         \x20 workers: 2\n\
         ",
        &[
            "w.yaml:2: server.workers: unknown key; valid are `listen`, `threads`, `max_body_bytes`, `max_buffered_bytes`, `max_withheld_bytes`, `max_in_flight`, `head_timeout`, `body_timeout`, `keepalive_timeout`, `drain_timeout`, `upstream_pool_size`",
        ],
    ),
    ("a top-level key with a typo", "provider: {}\n", &["w.yaml:1: provider: unknown key; did you mean `providers`?"]),
    (
        "a dash for an underscore",
        "\
         server:\n\
         \x20 max-body-bytes: 1\n\
         ",
        &["w.yaml:2: server.max-body-bytes: unknown key; did you mean `max_body_bytes`?"],
    ),
    (
        "an unknown key in an item of a list",
        "\
         server:\n\
         \x20 listen:\n\
         \x20   - address: 0.0.0.0:80\n\
         \x20     port: 80\n\
         ",
        &["w.yaml:4: server.listen[0].port: unknown key; valid are `address`, `tls`"],
    ),
    (
        "a key that stands twice",
        "\
         server:\n\
         \x20 threads: 2\n\
         \x20 threads: 4\n\
         ",
        &["w.yaml:3: server.threads: this key stands here a second time; the first is on line 2"],
    ),
    (
        "a key that stands twice, deep",
        "\
         models:\n\
         \x20 a:\n\
         \x20   targets:\n\
         \x20     - provider: p\n\
         \x20       model: m\n\
         \x20       model: n\n\
         providers: { p: { kind: openai } }\n\
         ",
        &["w.yaml:6: models.a.targets[0].model: this key stands here a second time; the first is on line 5"],
    ),
    (
        "the same model twice",
        "\
         models:\n\
         \x20 a: { targets: [{ provider: p, model: m }] }\n\
         \x20 a: { targets: [{ provider: p, model: m }] }\n\
         providers: { p: { kind: openai } }\n\
         ",
        &["w.yaml:3: models.a: this key stands here a second time; the first is on line 2"],
    ),
    (
        "a duration without a unit",
        "server: { head_timeout: 30 }\n",
        &["w.yaml:1: server.head_timeout: `30` has no unit; write `30s` for seconds (units: ms, s, m, h, d)"],
    ),
    (
        "a duration with a wrong unit",
        "server: { head_timeout: 30sec }\n",
        &[
            "w.yaml:1: server.head_timeout: `30sec` is no duration; write a whole number and its unit, as in `300ms`, `4s`, `5m`, `1h` or `400d`",
        ],
    ),
    (
        "a duration of nothing",
        "server: { head_timeout: 0s }\n",
        &["w.yaml:1: server.head_timeout: must be longer than 0"],
    ),
    (
        "a duration that is a list",
        "server: { head_timeout: [1s] }\n",
        &["w.yaml:1: server.head_timeout: expected a duration such as `4s`, found a list"],
    ),
    (
        "a duration past all clocks",
        "server: { drain_timeout: 4000d }\n",
        &["w.yaml:1: server.drain_timeout: `4000d` is longer than ten years"],
    ),
    (
        "a size with a decimal unit",
        "server: { max_body_bytes: 32MB }\n",
        &[
            "w.yaml:1: server.max_body_bytes: `32MB` is no size; write a number of bytes, or a whole number with KiB, MiB, GiB or TiB",
        ],
    ),
    ("a size of nothing", "server: { max_body_bytes: 0 }\n", &["w.yaml:1: server.max_body_bytes: must be more than 0"]),
    (
        "a body that no buffer holds",
        "server: { max_body_bytes: 2GiB }\n",
        &["w.yaml:1: server.max_body_bytes: `2147483648` is more than `max_buffered_bytes`, which is `1073741824`"],
    ),
    (
        "a number that is text",
        "server: { threads: two }\n",
        &["w.yaml:1: server.threads: expected a whole number from 1, found `two`"],
    ),
    (
        "a negative number",
        "server: { threads: -2 }\n",
        &["w.yaml:1: server.threads: expected a whole number from 1, found `-2`"],
    ),
    (
        "no threads",
        "server: { threads: 0 }\n",
        &["w.yaml:1: server.threads: expected a whole number from 1, found `0`"],
    ),
    (
        "a key without a value",
        "\
         server:\n\
         \x20 threads:\n\
         ",
        &["w.yaml:2: server.threads: expected a whole number from 1, found nothing"],
    ),
    ("a section that is a list", "server: [a]\n", &["w.yaml:1: server: expected a mapping, found a list"]),
    (
        "a listener by name",
        "server: { listen: [{ address: 'localhost:8080' }] }\n",
        &[
            "w.yaml:1: server.listen[0].address: `localhost:8080` is no address; write an IP address and a port such as `127.0.0.1:8080` or `[::]:8080`",
        ],
    ),
    (
        "a listener without a port",
        "server: { listen: [{ address: 0.0.0.0 }] }\n",
        &[
            "w.yaml:1: server.listen[0].address: `0.0.0.0` is no address; write an IP address and a port such as `127.0.0.1:8080` or `[::]:8080`",
        ],
    ),
    (
        "no listener",
        "server: { listen: [] }\n",
        &["w.yaml:1: server.listen: there must be at least one listener, such as `- address: 0.0.0.0:8080`"],
    ),
    (
        "listeners that collide",
        "\
         server:\n\
         \x20 listen:\n\
         \x20   - address: 127.0.0.1:80\n\
         \x20   - address: 0.0.0.0:80\n\
         ",
        &["w.yaml:4: server.listen[1].address: `0.0.0.0:80` collides with the listener on `127.0.0.1:80`"],
    ),
    (
        "admin on the port of clients",
        "admin: { listen: 127.0.0.1:8080 }\n",
        &[
            "w.yaml:1: admin.listen: `127.0.0.1:8080` collides with the listener of clients on `0.0.0.0:8080`; admin has its own",
        ],
    ),
    (
        "admin switched off by a wrong word",
        "admin: { listen: no }\n",
        &[
            "w.yaml:1: admin.listen: `no` is no address; write an IP address and a port such as `127.0.0.1:8080` or `[::]:8080`, or `off`",
        ],
    ),
    (
        "a listener without its address",
        "\
         server:\n\
         \x20 listen:\n\
         \x20   - tls: { cert: a.pem, key: b.pem }\n\
         ",
        &["w.yaml:3: server.listen[0]: `address` is missing"],
    ),
    (
        "a certificate that is not there",
        "\
         server:\n\
         \x20 listen:\n\
         \x20   - address: 0.0.0.0:443\n\
         \x20     tls:\n\
         \x20       cert: /nowhere/a.pem\n\
         \x20       key: /nowhere/b.pem\n\
         ",
        &[
            "w.yaml:5: server.listen[0].tls.cert: cannot read `/nowhere/a.pem`: No such file or directory (os error 2)",
            "w.yaml:6: server.listen[0].tls.key: cannot read `/nowhere/b.pem`: No such file or directory (os error 2)",
        ],
    ),
    (
        "a certificate that is none",
        "\
         server:\n\
         \x20 listen:\n\
         \x20   - address: 0.0.0.0:443\n\
         \x20     tls: { cert: Cargo.toml, key: Cargo.toml }\n\
         ",
        &[
            "w.yaml:4: server.listen[0].tls.cert: `Cargo.toml` holds no certificate in PEM",
            "w.yaml:4: server.listen[0].tls.key: `Cargo.toml` holds no private key in PEM",
        ],
    ),
    (
        "a durability that does not exist",
        "state: { durability: proces }\n",
        &["w.yaml:1: state.durability: `proces` is not valid here; did you mean `process`?"],
    ),
    (
        "segments larger than all",
        "state: { max_bytes: 1MiB }\n",
        &["w.yaml:1: state.segment_bytes: `67108864` is more than `max_bytes`, which is `1048576`"],
    ),
    (
        "content that only later versions keep",
        "records: { content: redacted }\n",
        &["w.yaml:1: records.content: this version keeps no content yet; write `none`"],
    ),
    (
        "content that no version keeps",
        "records: { content: all }\n",
        &["w.yaml:1: records.content: `all` is not valid here; valid is `none`"],
    ),
    (
        "an access log that is neither word nor path",
        "records: { access_log: stdot }\n",
        &["w.yaml:1: records.access_log: `stdot` is not valid here; write `stdout`, `off`, or a path with a `/` in it"],
    ),
    (
        "a provider without a kind",
        "\
         providers:\n\
         \x20 openai: { api_key: k }\n\
         ",
        &["w.yaml:2: providers.openai: `kind` is missing"],
    ),
    (
        "a provider with an unknown protocol",
        "\
         providers:\n\
         \x20 openai: { kind: openai, protocol: http3 }\n\
         ",
        &["w.yaml:2: providers.openai.protocol: `http3` is not valid here; did you mean `http1`?"],
    ),
    (
        "a provider that is a word",
        "providers: { openai: openai }\n",
        &["w.yaml:1: providers.openai: expected a mapping, found a single value"],
    ),
    (
        "a provider's limits",
        "\
         providers:\n\
         \x20 openai:\n\
         \x20   kind: openai\n\
         \x20   limits: []\n\
         ",
        &["w.yaml:4: providers.openai.limits: this version does not have `limits` yet; leave it out"],
    ),
    (
        "a reference to a variable that is not set",
        "\
         providers:\n\
         \x20 openai: { kind: openai, api_key: '${env:NOT_SET}' }\n\
         ",
        &["w.yaml:2: providers.openai.api_key: the environment variable `NOT_SET` is not set"],
    ),
    (
        "a reference to an empty variable",
        "\
         providers:\n\
         \x20 openai: { kind: openai, api_key: '${env:EMPTY}' }\n\
         ",
        &["w.yaml:2: providers.openai.api_key: the environment variable `EMPTY` is empty"],
    ),
    (
        "a reference to a file that is not there",
        "\
         providers:\n\
         \x20 openai: { kind: openai, api_key: '${file:/nowhere/key}' }\n\
         ",
        &["w.yaml:2: providers.openai.api_key: cannot read `/nowhere/key`: No such file or directory (os error 2)"],
    ),
    (
        "a reference of no kind",
        "\
         providers:\n\
         \x20 openai: { kind: openai, api_key: '${OPENAI_API_KEY}' }\n\
         ",
        &[
            "w.yaml:2: providers.openai.api_key: `${OPENAI_API_KEY}` is no reference; write `${env:NAME}` or `${file:PATH}`",
        ],
    ),
    (
        "a reference that is not closed",
        "\
         providers:\n\
         \x20 openai: { kind: openai, api_key: '${env:OPENAI_API_KEY' }\n\
         ",
        &["w.yaml:2: providers.openai.api_key: `${` is never closed by `}`"],
    ),
    (
        "a provider that does not exist",
        "\
         providers:\n\
         \x20 openai: { kind: openai }\n\
         models:\n\
         \x20 fast:\n\
         \x20   targets:\n\
         \x20     - { provider: opena1, model: m }\n\
         ",
        &["w.yaml:6: models.fast.targets[0].provider: there is no provider `opena1`; did you mean `openai`?"],
    ),
    (
        "a provider where none is defined",
        "\
         models:\n\
         \x20 fast:\n\
         \x20   targets: [{ provider: openai, model: m }]\n\
         ",
        &[
            "w.yaml:3: models.fast.targets[0].provider: there is no provider `openai`; none is defined under `providers`",
        ],
    ),
    (
        "a model without targets",
        "\
         models:\n\
         \x20 fast: { targets: [] }\n\
         ",
        &["w.yaml:2: models.fast.targets: there must be at least one target"],
    ),
    (
        "a model whose targets are missing",
        "\
         models:\n\
         \x20 fast: { route: priority }\n\
         ",
        &["w.yaml:2: models.fast: `targets` is missing"],
    ),
    (
        "a target without a model",
        "\
         providers: { openai: { kind: openai } }\n\
         models:\n\
         \x20 fast:\n\
         \x20   targets:\n\
         \x20     - provider: openai\n\
         ",
        &["w.yaml:5: models.fast.targets[0]: `model` is missing"],
    ),
    (
        "a route of a later version",
        "\
         providers: { p: { kind: openai } }\n\
         models:\n\
         \x20 fast: { route: weighted, targets: [{ provider: p, model: m }] }\n\
         ",
        &["w.yaml:3: models.fast.route: this version does not have the route `weighted` yet; leave it out"],
    ),
    (
        "a route of no version",
        "\
         providers: { p: { kind: openai } }\n\
         models:\n\
         \x20 fast: { route: prio, targets: [{ provider: p, model: m }] }\n\
         ",
        &["w.yaml:3: models.fast.route: there is no route `prio`; valid is `priority`"],
    ),
    (
        "guardrails of a model",
        "\
         providers: { p: { kind: openai } }\n\
         models:\n\
         \x20 fast:\n\
         \x20   guardrails: [no-pii]\n\
         \x20   targets: [{ provider: p, model: m }]\n\
         ",
        &["w.yaml:4: models.fast.guardrails: this version does not have `guardrails` yet; leave it out"],
    ),
    (
        "a timeout with a typo",
        "\
         providers: { p: { kind: openai } }\n\
         models:\n\
         \x20 fast:\n\
         \x20   targets:\n\
         \x20     - { provider: p, model: m, timeouts: { first-token: 4s } }\n\
         ",
        &["w.yaml:5: models.fast.targets[0].timeouts.first-token: unknown key; did you mean `first_token`?"],
    ),
    (
        "a first token later than the end",
        "\
         providers: { p: { kind: openai } }\n\
         models:\n\
         \x20 fast:\n\
         \x20   timeouts: { first_token: 2m, total: 90s }\n\
         \x20   targets: [{ provider: p, model: m }, { provider: p, model: n }]\n\
         ",
        &[
            "w.yaml:4: models.fast.timeouts.first_token: is longer than `total`, which is `90s`; it would never be reached",
        ],
    ),
    (
        "a call that does not exist",
        "\
         providers: { p: { kind: openai } }\n\
         models:\n\
         \x20 fast:\n\
         \x20   targets: [{ provider: p, model: m, apis: [chat] }]\n\
         ",
        &[
            "w.yaml:4: models.fast.targets[0].apis[0]: there is no call `chat`; valid are `chat_completions`, `completions`, `embeddings`, `responses`, `messages`, `count_tokens`",
        ],
    ),
    (
        "a model's name with a space",
        "\
         providers: { p: { kind: openai } }\n\
         models:\n\
         \x20 my model: { targets: [{ provider: p, model: m }] }\n\
         ",
        &["w.yaml:3: models.\"my model\": a name has 1 to 128 of `A-Z a-z 0-9 . _ : / @ -`"],
    ),
    (
        "a model's name with a dot, in the path",
        "\
         models:\n\
         \x20 gpt-4.1: { targets: [] }\n\
         ",
        &["w.yaml:2: models.\"gpt-4.1\".targets: there must be at least one target"],
    ),
    (
        "no attempts",
        "\
         providers: { p: { kind: openai } }\n\
         models:\n\
         \x20 fast: { max_attempts: 0, targets: [{ provider: p, model: m }] }\n\
         ",
        &["w.yaml:3: models.fast.max_attempts: expected a whole number from 1, found `0`"],
    ),
    (
        "a team's model that does not exist",
        "\
         providers: { p: { kind: openai } }\n\
         models: { fast: { targets: [{ provider: p, model: m }] } }\n\
         teams:\n\
         \x20 search: { models: [fats] }\n\
         ",
        &["w.yaml:4: teams.search.models[0]: there is no model `fats`; did you mean `fast`?"],
    ),
    (
        "a team of no models",
        "teams: { search: { models: [] } }\n",
        &["w.yaml:1: teams.search.models: names no model; leave it out for all"],
    ),
    (
        "a team's models as a word",
        "teams: { search: { models: fast } }\n",
        &["w.yaml:1: teams.search.models: expected a list of models, or `\"*\"` for all, found `fast`"],
    ),
    (
        "a team's limits",
        "\
         teams:\n\
         \x20 search:\n\
         \x20   limits: [{ requests: 600, per: minute }]\n\
         ",
        &["w.yaml:3: teams.search.limits: this version does not have `limits` yet; leave it out"],
    ),
    (
        "a team that does not exist",
        "\
         teams: { search: {} }\n\
         keys:\n\
         \x20 - { name: ci, team: serach, hash: 'sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' }\n\
         ",
        &["w.yaml:3: keys[0].team: there is no team `serach`; did you mean `search`?"],
    ),
    (
        "a hash that is the key itself",
        "\
         teams: { search: {} }\n\
         keys:\n\
         \x20 - { name: ci, team: search, hash: wb-planted-secret }\n\
         ",
        &[
            "w.yaml:3: keys[0].hash: expected `sha256:` and 64 hexadecimal digits, as `weighbridge keys create` prints them; never the key itself",
        ],
    ),
    (
        "a hash that is too short",
        "\
         teams: { search: {} }\n\
         keys:\n\
         \x20 - { name: ci, team: search, hash: 'sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' }\n\
         ",
        &[
            "w.yaml:3: keys[0].hash: expected `sha256:` and 64 hexadecimal digits, as `weighbridge keys create` prints them; never the key itself",
        ],
    ),
    (
        "a key without a hash",
        "\
         teams: { search: {} }\n\
         keys:\n\
         \x20 - { name: ci, team: search }\n\
         ",
        &["w.yaml:3: keys[0]: `hash` is missing"],
    ),
    (
        "two keys of one name",
        "\
         teams: { search: {} }\n\
         keys:\n\
         \x20 - { name: ci, team: search, hash: 'sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' }\n\
         \x20 - { name: ci, team: search, hash: 'sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb' }\n\
         ",
        &["w.yaml:4: keys[1].name: `keys[0]` has the same name; each key has its own"],
    ),
    (
        "two keys of one hash",
        "\
         teams: { search: {} }\n\
         keys:\n\
         \x20 - { name: ci, team: search, hash: 'sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' }\n\
         \x20 - { name: cd, team: search, hash: 'sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' }\n\
         ",
        &["w.yaml:4: keys[1].hash: `keys[0]` has the same hash; each key has its own"],
    ),
    (
        "a key that widens its team",
        "\
         providers: { p: { kind: openai } }\n\
         models:\n\
         \x20 fast: { targets: [{ provider: p, model: m }] }\n\
         \x20 slow: { targets: [{ provider: p, model: n }] }\n\
         teams: { search: { models: [fast] } }\n\
         keys:\n\
         \x20 - { name: ci, team: search, models: [slow], hash: 'sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' }\n\
         ",
        &["w.yaml:7: keys[0].models[0]: the key's team `search` may not call `slow`; a key only narrows its team"],
    ),
    (
        "an expiry without an offset",
        "\
         teams: { search: {} }\n\
         keys:\n\
         \x20 - { name: ci, team: search, expires: 2030-01-31T10:00:00, hash: 'sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' }\n\
         ",
        &[
            "w.yaml:3: keys[0].expires: `2030-01-31T10:00:00` is no time after 1970; write a day such as `2030-01-31` (UTC), or a moment such as `2030-01-31T18:00:00Z`",
        ],
    ),
    (
        "a key's allowed addresses",
        "\
         teams: { search: {} }\n\
         keys:\n\
         \x20 - name: ci\n\
         \x20   team: search\n\
         \x20   allowed_ips: []\n\
         \x20   hash: sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n\
         ",
        &["w.yaml:5: keys[0].allowed_ips: this version does not have `allowed_ips` yet; leave it out"],
    ),
    (
        "a negative price",
        "prices: { m: { input: -0.15 } }\n",
        &["w.yaml:1: prices.m.input: `-0.15` is negative; a price is 0 or more"],
    ),
    (
        "a price with an exponent",
        "prices: { m: { input: 1e-3 } }\n",
        &[
            "w.yaml:1: prices.m.input: `1e-3` is no price; write USD per million tokens as a plain decimal such as `0.15`",
        ],
    ),
    (
        "a price that is no number",
        "prices: { m: { input: .nan } }\n",
        &[
            "w.yaml:1: prices.m.input: `.nan` is no price; write USD per million tokens as a plain decimal such as `0.15`",
        ],
    ),
    (
        "a price finer than money",
        "prices: { m: { input: 0.0000000001 } }\n",
        &[
            "w.yaml:1: prices.m.input: `0.0000000001` has too many digits; at most 9 before the point and 9 behind it are kept",
        ],
    ),
    (
        "a price of an unknown class",
        "prices: { m: { cached: 1 } }\n",
        &[
            "w.yaml:1: prices.m.cached: unknown key; valid are `input`, `output`, `cache_read`, `cache_write_5m`, `cache_write_1h`, `reasoning`, `audio_input`, `audio_output`",
        ],
    ),
    (
        "a price of nothing",
        "prices: { m: {} }\n",
        &["w.yaml:1: prices.m: sets no price; write at least `input` and `output`"],
    ),
    (
        "budgets for everyone",
        "defaults: { budgets: [] }\n",
        &["w.yaml:1: defaults: this version does not have `defaults` yet; leave it out"],
    ),
    ("watching the file", "watch: true\n", &["w.yaml:1: watch: this version does not have `watch` yet; leave it out"]),
    (
        "the admin token",
        "admin: { token: '${env:PLANTED}' }\n",
        &["w.yaml:1: admin.token: this version does not have `token` yet; leave it out"],
    ),
    (
        "trusted proxies",
        "server: { trusted_proxies: [] }\n",
        &["w.yaml:1: server.trusted_proxies: this version does not have `trusted_proxies` yet; leave it out"],
    ),
    (
        "a value out of the environment is not shown",
        "server: { threads: '${env:PLANTED}', head_timeout: '${env:PLANTED}' }\n",
        &[
            "w.yaml:1: server.head_timeout: expected a duration such as `4s`, found what `${env:PLANTED}` stands for",
            "w.yaml:1: server.threads: expected a whole number from 1, found what `${env:PLANTED}` stands for",
        ],
    ),
    (
        "a name out of the environment is not shown",
        "\
         teams: { search: {} }\n\
         keys:\n\
         \x20 - { name: ci, team: '${env:PLANTED}', hash: '${env:PLANTED}' }\n\
         ",
        &[
            "w.yaml:3: keys[0].hash: expected `sha256:` and 64 hexadecimal digits, as `weighbridge keys create` prints them; never the key itself",
            "w.yaml:3: keys[0].team: there is no team `${env:PLANTED}`; valid is `search`",
        ],
    ),
    ("no YAML", "server: [\n", &["w.yaml:2: no valid YAML: while parsing a node, did not find expected node content"]),
    (
        "a tab",
        "\
         server:\n\
         \tthreads: 2\n\
         ",
        &["w.yaml:2: no valid YAML: tabs disallowed within this context (block indentation)"],
    ),
    ("an empty file", "", &["w.yaml:1: the file is empty"]),
    (
        "a second document",
        "\
         server: {}\n\
         ---\n\
         server: {}\n\
         ",
        &["w.yaml:2: a second document begins here: one file holds one configuration"],
    ),
    (
        "a tag",
        "server: { threads: !!int 2 }\n",
        &["w.yaml:1: YAML tags (`!…`) mean nothing here; leave it out, or quote the text"],
    ),
    (
        "a merge key",
        "\
         server: &s { threads: 2 }\n\
         admin: { <<: *s }\n\
         ",
        &["w.yaml:2: admin.<<: unknown key; valid is `listen`"],
    ),
    ("an alias in itself", "a: &a [*a]\n", &["w.yaml:1: this alias stands inside of what it names"]),
    (
        "too deep",
        "a: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\n",
        &["w.yaml:1: more than 32 levels of nesting"],
    ),
    (
        "mistakes in many places",
        "\
         server: { thread: 2, head_timeout: 5 }\n\
         providers: { openai: { kind: openai, api_key: '${env:NOT_SET}' } }\n\
         models:\n\
         \x20 fast: { targets: [{ provider: opnai, model: m, wait: 1 }] }\n\
         keys:\n\
         \x20 - { name: a, team: none }\n\
         \x20 - { name: b, team: none, hash: x }\n\
         ",
        &[
            "w.yaml:1: server.head_timeout: `5` has no unit; write `5s` for seconds (units: ms, s, m, h, d)",
            "w.yaml:1: server.thread: unknown key; did you mean `threads`?",
            "w.yaml:2: providers.openai.api_key: the environment variable `NOT_SET` is not set",
            "w.yaml:4: models.fast.targets[0].provider: there is no provider `opnai`; did you mean `openai`?",
            "w.yaml:4: models.fast.targets[0].wait: unknown key; valid are `provider`, `model`, `price_as`, `timeouts`, `apis`",
            "w.yaml:6: keys[0]: `hash` is missing",
            "w.yaml:7: keys[1].hash: expected `sha256:` and 64 hexadecimal digits, as `weighbridge keys create` prints them; never the key itself",
            "w.yaml:7: keys[1].team: there is no team `none`; none is defined under `teams`",
        ],
    ),
];
