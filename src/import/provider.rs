//! `litellm_params` of one deployment → a provider of ours: where it is, and with which credentials.

use super::desk::{Desk, unique};
use super::kinds::Known;
use super::read::Fields;
use super::write::Out;
use std::collections::BTreeSet;

/// The providers found so far. Deployments with the same account share one, unless they have limits of their own.
#[derive(Default)]
pub(super) struct Providers {
    found: Vec<(String, Vec<(String, Out)>)>,
    names: BTreeSet<String>,
}

impl Providers {
    /// The name of a provider with `settings`, which is new if none has the same. `own`: it is new in any case.
    pub(super) fn named(&mut self, wanted: &str, settings: Vec<(String, Out)>, own: bool) -> String {
        let same = self.found.iter().find(|(_, known)| *known == settings && !own);
        if let Some((name, _)) = same {
            return name.clone();
        }
        let name = unique(wanted, &mut self.names);
        self.found.push((name.clone(), settings));
        name
    }

    pub(super) fn written(&self) -> Out {
        Out::Map(self.found.iter().map(|(name, settings)| (name.clone(), Out::Map(settings.clone()))).collect())
    }
}

/// Literals that stand where a server asks for no key.
const NO_KEY: [&str; 12] = [
    "none",
    "null",
    "empty",
    "fake",
    "fake-key",
    "dummy",
    "dummy-key",
    "anything",
    "not-needed",
    "no-key",
    "na",
    "ollama",
];

/// Kind, address and credentials as our settings. `None`, with a note: the deployment cannot be reached from here.
///
/// Parameters: <https://docs.litellm.ai/docs/providers/azure>, <https://docs.litellm.ai/docs/providers/bedrock>,
/// <https://docs.litellm.ai/docs/providers/vertex>, <https://docs.litellm.ai/docs/providers/openai>.
pub(super) fn settings(known: &Known, params: &Fields<'_>, desk: &mut Desk) -> Option<Vec<(String, Out)>> {
    let mut settings = vec![("kind".to_owned(), Out::word(known.kind))];
    let mut add = |key: &str, value: Option<Out>| settings.extend(value.map(|value| (key.to_owned(), value)));
    let upper = known.prefix.to_ascii_uppercase();
    match known.kind {
        "bedrock" => bedrock(params, desk, &mut add),
        "vertex" => vertex(params, desk, &mut add),
        _ => {
            let url = address(known, params, desk, &format!("{upper}_API_BASE"))?;
            add("base_url", url);
            if known.kind == "azure" {
                add("catalogue", Some(Out::word("azure")));
                add("api_version", params.get("api_version").and_then(|node| desk.plain(node)));
            }
            add("api_key", key(known, params, desk));
            if known.kind == "openai" {
                add("organization", params.get("organization").and_then(|node| desk.plain(node)));
            }
        }
    }
    Some(settings)
}

fn address(known: &Known, params: &Fields<'_>, desk: &mut Desk, variable: &str) -> Option<Option<Out>> {
    if let Some(node) = params.get("api_base").or_else(|| params.get("base_url")) {
        let url = desk.address(node, variable)?;
        return Some(Some(match url {
            Out::Text(url) => Out::Text(tidy(known, &url)),
            other => {
                if known.prefix.starts_with("ollama") {
                    desk.note(&node.path, "the address of Ollama must end in `/v1` here; set the variable so");
                }
                other
            }
        }));
    }
    match (known.base_url, known.address) {
        (Some(url), _) => Some(Some(Out::text(url))),
        (None, "") => Some(None),
        (None, variable) => Some(Some(desk.usual(variable))),
    }
}

/// An address as our kind takes it: LiteLLM wants Ollama's without `/v1`, and takes whole paths for some.
fn tidy(known: &Known, url: &str) -> String {
    let url = url.trim_end_matches('/');
    let url = url.strip_suffix("/chat/completions").or_else(|| url.strip_suffix("/v1/messages")).unwrap_or(url);
    let bare = url.split_once("://").is_some_and(|(_, rest)| !rest.contains('/'));
    if bare && known.kind == "openai" && known.prefix != "azure_ai" { format!("{url}/v1") } else { url.to_owned() }
}

fn key(known: &Known, params: &Fields<'_>, desk: &mut Desk) -> Option<Out> {
    let Some(node) = params.get("api_key") else {
        return (!known.key.is_empty()).then(|| desk.usual(known.key));
    };
    if node.text().is_some_and(|text| NO_KEY.contains(&&*text.to_ascii_lowercase())) {
        return None;
    }
    let preferred = if known.key.is_empty() {
        format!("{}_API_KEY", known.prefix.to_ascii_uppercase())
    } else {
        known.key.to_owned()
    };
    desk.secret(node, &preferred)
}

fn bedrock(params: &Fields<'_>, desk: &mut Desk, add: &mut dyn FnMut(&str, Option<Out>)) {
    let region = params.get("aws_region_name").and_then(|node| desk.plain(node));
    add("region", Some(region.unwrap_or_else(|| desk.usual("AWS_REGION_NAME"))));
    add("base_url", params.get("aws_bedrock_runtime_endpoint").and_then(|node| desk.address(node, "AWS_BEDROCK_URL")));
    add("access_key_id", params.get("aws_access_key_id").and_then(|node| desk.secret(node, "AWS_ACCESS_KEY_ID")));
    let secret = params.get("aws_secret_access_key").and_then(|node| desk.secret(node, "AWS_SECRET_ACCESS_KEY"));
    add("secret_access_key", secret);
    add("session_token", params.get("aws_session_token").and_then(|node| desk.secret(node, "AWS_SESSION_TOKEN")));
    add("api_key", params.get("api_key").and_then(|node| desk.secret(node, "AWS_BEARER_TOKEN_BEDROCK")));
    add("profile", params.get("aws_profile_name").and_then(|node| desk.plain(node)));
    for name in ["aws_role_name", "aws_session_name", "aws_web_identity_token", "aws_sts_endpoint"] {
        if let Some(node) = params.get(name) {
            let how =
                "a role is assumed here by web identity (`role_arn`, `web_identity_token_file`) or by the machine";
            desk.note(&node.path, format!("not carried over; {how}; see conf/weighbridge.yaml"));
        }
    }
}

fn vertex(params: &Fields<'_>, desk: &mut Desk, add: &mut dyn FnMut(&str, Option<Out>)) {
    let either = |a: &str, b: &str| params.get(a).or_else(|| params.get(b));
    add("project", either("vertex_project", "vertex_ai_project").and_then(|node| desk.plain(node)));
    let location = either("vertex_location", "vertex_ai_location").and_then(|node| desk.plain(node));
    add("location", Some(location.unwrap_or_else(|| Out::text("us-central1"))));
    let Some(node) = either("vertex_credentials", "vertex_ai_credentials") else { return };
    match node.text() {
        Some(text) if text.ends_with(".json") && !text.starts_with('{') && !text.starts_with("os.environ/") => {
            add("credentials_file", Some(Out::text(text)));
        }
        Some(text) if text.starts_with("os.environ/") => {
            desk.note(
                &node.path,
                "the variable must hold the JSON itself; if it holds a path, rename the key to `credentials_file`",
            );
            add("credentials_json", desk.secret(node, "VERTEX_CREDENTIALS"));
        }
        Some(_) => add("credentials_json", desk.secret(node, "VERTEX_CREDENTIALS")),
        None => desk
            .note(&node.path, "not carried over: write the credentials into a file, and name it as `credentials_file`"),
    }
}
