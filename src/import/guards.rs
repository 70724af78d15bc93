//! `guardrails`: <https://docs.litellm.ai/docs/proxy/guardrails/quick_start>.

use super::desk::{Desk, unique};
use super::read::{Fields, Node};
use super::write::Out;
use std::collections::{BTreeSet, HashMap};

/// What was made of them.
pub(super) struct Guards {
    pub(super) written: Out,
    pub(super) defaults: Out,
    /// Our names, by theirs.
    names: HashMap<String, String>,
}

impl Guards {
    /// Our names of the guardrails that a key or team names.
    pub(super) fn named(&self, theirs: &[String], path: &str, desk: &mut Desk) -> Vec<String> {
        let mut ours = Vec::new();
        for name in theirs {
            match self.names.get(name) {
                Some(own) => ours.push(own.clone()),
                None => desk.note(path, "names a guardrail that was not carried over; write one and name it here"),
            }
        }
        ours
    }
}

pub(super) fn read(file: &Fields<'_>, desk: &mut Desk) -> Guards {
    let (mut written, mut always, mut names, mut taken) = (Vec::new(), Vec::new(), HashMap::new(), BTreeSet::new());
    for entry in file.get("guardrails").map(Node::items).unwrap_or_default() {
        let fields = Fields::of(entry);
        let params = fields.of_key("litellm_params");
        fields.get("guardrail_info");
        let Some(theirs) = fields.text("guardrail_name") else {
            desk.note(&entry.path, "not carried over: it has no `guardrail_name`");
            continue;
        };
        let Some(mut settings) = kind(&params, desk) else {
            let how = "there is no such kind here; see `guardrails` in conf/weighbridge.yaml, or put the service behind `kind: webhook`";
            desk.note(&params.path("guardrail"), format!("not carried over: {how}"));
            continue;
        };
        if !mode(&params, &mut settings, desk) {
            continue;
        }
        let name = unique(theirs, &mut taken);
        if params.is_true("default_on") {
            always.push(name.clone());
        }
        names.insert(theirs.to_owned(), name.clone());
        written.push((name, Out::Map(settings)));
        desk.left(&params, "see what the kind takes in conf/weighbridge.yaml");
        desk.left(&fields, "there is nothing like it here");
    }
    let defaults = match always.is_empty() {
        true => Out::Map(Vec::new()),
        false => Out::map([("teams", Out::map([("guardrails", Out::texts(always))]))]),
    };
    Guards { written: Out::Map(written), defaults, names }
}

fn kind(params: &Fields<'_>, desk: &mut Desk) -> Option<Vec<(String, Out)>> {
    let kind = |name: &str| vec![("kind".to_owned(), Out::word(name))];
    Some(match params.text("guardrail")? {
        "presidio" => {
            let mut settings = kind("presidio");
            let url = params.get("presidio_analyzer_api_base");
            let url = url.and_then(|node| desk.address(node, "PRESIDIO_ANALYZER_API_BASE"));
            settings.push(("url".to_owned(), url.unwrap_or_else(|| desk.usual("PRESIDIO_ANALYZER_API_BASE"))));
            // What is found is replaced here: there is no second service.
            params.get("presidio_anonymizer_api_base");
            if let Some(language) = params.text("presidio_language") {
                settings.push(("language".to_owned(), Out::text(language)));
            }
            let entities = params.get("pii_entities_config").map(Node::entries).unwrap_or_default();
            if !entities.is_empty() {
                settings.push(("entities".to_owned(), Out::texts(entities.iter().map(|(name, _)| name))));
                let blocks = entities.iter().filter(|(_, node)| node.text() == Some("BLOCK")).count();
                if blocks > 0 && blocks < entities.len() {
                    desk.note(
                        &params.path("pii_entities_config"),
                        "one guardrail has one action: all of it blocks; split it in two",
                    );
                }
                settings.push(("action".to_owned(), Out::word(if blocks > 0 { "block" } else { "redact" })));
            }
            settings
        }
        "hide-secrets" | "hide_secrets" => {
            let mut settings = kind("secrets");
            settings.push(("action".to_owned(), Out::word("redact")));
            settings
        }
        "openai_moderation" => {
            let mut settings = kind("openai_moderations");
            let key = params.get("api_key").and_then(|node| desk.secret(node, "OPENAI_API_KEY"));
            settings.push(("api_key".to_owned(), key.unwrap_or_else(|| desk.usual("OPENAI_API_KEY"))));
            params.get("model");
            settings
        }
        "generic_guardrail_api" => {
            let url = params.get("api_base").and_then(|node| desk.address(node, "GUARDRAIL_URL"))?;
            let mut settings = kind("litellm");
            settings.push(("url".to_owned(), url));
            if let Some(key) = params.get("api_key").and_then(|node| desk.secret(node, "GUARDRAIL_API_KEY")) {
                settings.push(("headers".to_owned(), Out::map([("x-api-key", key)])));
            }
            settings
        }
        _ => return None,
    })
}

/// When it looks: before the call or beside it at what is asked, after it at what is answered. False: never, here.
fn mode(params: &Fields<'_>, settings: &mut Vec<(String, Out)>, desk: &mut Desk) -> bool {
    let modes = params.texts("mode");
    let any = |names: &[&str]| modes.iter().any(|mode| names.contains(&&**mode));
    let mut on = Vec::new();
    if any(&["pre_call", "during_call", "pre_mcp_call", "during_mcp_call"]) {
        on.push("input");
    }
    let service = !settings.iter().any(|(_, kind)| *kind == Out::word("secrets"));
    if any(&["post_call"]) && service {
        let what =
            "services are asked about requests only here; answers are looked at by the built-in kinds, such as `pii`";
        desk.note(&params.path("mode"), what);
        if on.is_empty() {
            return false;
        }
    } else if any(&["post_call"]) {
        on.push("output");
    }
    if !on.is_empty() {
        settings.push(("on".to_owned(), Out::List(on.into_iter().map(Out::word).collect())));
    }
    if any(&["logging_only"]) {
        settings.push(("mode".to_owned(), Out::word("audit")));
    }
    true
}
