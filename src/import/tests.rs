//! The whole way, on small inputs; the golden files are in tests/it/import_litellm.

use super::{Input, litellm};

fn import(config: &str, tables: &[(&str, &str)]) -> super::Imported {
    let tables: Vec<_> = tables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let known =
        |provider: &str| if provider == "openai" { vec!["gpt-4o".to_owned(), "o3".to_owned()] } else { Vec::new() };
    litellm(Input { config, config_name: "config.yaml", tables: &tables, known: &known }).expect("is imported")
}

#[test]
fn a_secret_of_the_input_is_nowhere_in_the_output() {
    let config = "
model_list:
  - {model_name: a, litellm_params: {model: openai/gpt-4o, api_key: sk-planted-1, extra_headers: {x: planted-2}}}
  - {model_name: b, litellm_params: {model: azure/x, api_key: planted-3, api_base: 'https://u:planted-4@host/'}}
  - {model_name: c, litellm_params: {model: bedrock/m, aws_access_key_id: planted-5, aws_secret_access_key: planted-6}}
  - {model_name: d, litellm_params: {model: vertex_ai/gemini, vertex_credentials: '{\"private_key\": \"planted-7\"}'}}
  - {model_name: e, litellm_params: {model: nobody/x, api_key: planted-8}}
general_settings: {master_key: sk-planted-9, database_url: 'postgresql://u:planted-10@h/d'}
environment_variables: {OPENAI_API_KEY: planted-11}
litellm_settings: {cache_params: {password: planted-12}, unheard_of: planted-13}
guardrails:
  - {guardrail_name: g, litellm_params: {guardrail: lakera, api_key: planted-14}}
credential_list: [{credential_name: c, credential_values: {api_key: planted-15}}]
";
    let made = import(
        config,
        &[(
            "LiteLLM_VerificationToken.csv",
            "token,key_alias,metadata\nsk-planted-16,k,\"{\"\"x\"\":\"\"planted-17\"\"}\"\n",
        )],
    );
    let all = format!("{}\n{}", made.yaml, made.told.join("\n"));
    assert!(!all.contains("planted"), "{all}");
    assert!(made.yaml.contains("api_key: \"${env:OPENAI_API_KEY}\""), "{all}");
    assert!(made.variables.contains(&"WEIGHBRIDGE_ADMIN_TOKEN".to_owned()), "{all}");
}

#[test]
fn a_literal_never_takes_the_variable_of_another_secret() {
    let config = "
model_list:
  - {model_name: a, litellm_params: {model: openai/gpt-4o, api_key: sk-one}}
  - {model_name: b, litellm_params: {model: openai/gpt-4o, api_key: os.environ/OPENAI_API_KEY}}
  - {model_name: c, litellm_params: {model: openai/gpt-4o, api_key: sk-two}}
  - {model_name: d, litellm_params: {model: openai/gpt-4o, api_key: sk-one}}
";
    let made = import(config, &[]);
    assert_eq!(made.variables, ["OPENAI_API_KEY", "OPENAI_API_KEY_2", "OPENAI_API_KEY_3"], "{}", made.yaml);
    assert!(made.yaml.contains("  d: { targets: [{ provider: openai, model: gpt-4o }] }"), "{}", made.yaml);
}

#[test]
fn what_is_hostile_stays_a_comment_or_a_text() {
    let config = "
\"unknown\\nteams: {evil: {}}\": 1
model_list:
  - model_name: \"x\\nadmin: off\"
    litellm_params: {model: \"openai/a\\\"b${env:HOME}\"}
";
    let made = import(config, &[]);
    let bad = made.yaml.lines().any(|line| line.starts_with("teams: {evil") || line.starts_with("admin: off"));
    assert!(!bad, "{}", made.yaml);
    assert!(made.yaml.contains("$${env:HOME}"), "{}", made.yaml);
}

#[test]
fn keys_that_may_do_nothing_are_left_out_and_not_let_loose() {
    let config = "model_list: [{model_name: a, litellm_params: {model: openai/gpt-4o}}]";
    let hash = |n: u32| format!("{n:064x}");
    let rows = [
        format!("{},blocked,,t,,,", hash(1)),
        format!("{},unknown-model,{{gone}},f,,,", hash(2)),
        format!("{},no-money,{{a}},f,0,,", hash(3)),
        format!("{},bad-date,{{a}},f,,soon,", hash(4)),
        format!("{},team-without-models,{{}},f,,,t1", hash(5)),
        format!("{},fine,{{a}},f,1.5,2030-01-01 00:00:00,", hash(6)),
    ];
    let csv = format!("token,key_alias,models,blocked,max_budget,expires,team_id\n{}\n", rows.join("\n"));
    let teams = "team_id,team_alias,models\nt1,Team One,{gone}\n";
    let made = import(config, &[("LiteLLM_VerificationToken.csv", &csv), ("LiteLLM_TeamTable.csv", teams)]);
    let keys = made.yaml.split("\nkeys:\n").nth(1).expect("keys");
    assert_eq!(keys.matches("hash:").count(), 1, "{}", made.yaml);
    assert!(keys.contains("name: fine") && keys.contains("usd: 1.5, per: lifetime"), "{keys}");
    assert!(keys.contains("expires: \"2030-01-01T00:00:00Z\""), "{keys}");
    assert_eq!(made.told.iter().filter(|told| told.contains("the key is left out")).count(), 5, "{:?}", made.told);
}

#[test]
fn wildcards_become_the_models_that_are_known_or_named() {
    let config = "
model_list:
  - {model_name: 'openai/*', litellm_params: {model: 'openai/*'}}
  - {model_name: openai/o3, litellm_params: {model: openai/o3-mini}}
  - {model_name: '*', litellm_params: {model: 'openai/*'}}
litellm_settings: {fallbacks: [{openai/new: [openai/gpt-4o]}]}
";
    let users = "user_id,models\nu,\"{all-team-models,no-default-models,own}\"\n";
    let made = import(config, &[("LiteLLM_UserTable.csv", users)]);
    assert!(made.yaml.contains("  own: {") && !made.yaml.contains("all-team-models"), "{}", made.yaml);
    for line in [
        "  openai/gpt-4o: { targets: [{ provider: openai, model: gpt-4o }] }",
        "  openai/o3: { targets: [{ provider: openai, model: o3-mini }] }",
        "  openai/new: { targets: [{ provider: openai, model: new }], fallbacks: { failed: [openai/gpt-4o] } }",
    ] {
        assert!(made.yaml.lines().any(|own| own == line), "{line}\n{}", made.yaml);
    }
}

#[test]
fn prices_are_exact() {
    let config = "
model_list:
  - model_name: a
    litellm_params: {model: openai/own, input_cost_per_token: 0.00000015, output_cost_per_token: 6e-07}
    model_info: {cache_read_input_token_cost: 7.5e-08}
";
    let made = import(config, &[]);
    assert!(made.yaml.contains("openai/own: { input: 0.15, output: 0.6, cache_read: 0.075 }"), "{}", made.yaml);
}
