//! What the gateway needs of a generateContent request (<https://ai.google.dev/api/generate-content>).
//!
//! Google's servers read each name both as the reference writes it (`generationConfig`) and as the protocol does
//! (`generation_config`). One that stands in both is refused: the one that counts here might not be theirs.

use super::{BadRequest, bad, integer, string, wrong_kind};
use crate::{
    dialect::{
        node::Node,
        path::echo,
        strict::{self, Kind, Member},
    },
    model::{CapMember, Caps, Demand, GenerationCap, HostedTool},
};

/// The members that the gateway acts on.
pub(super) struct Generate<'a> {
    body: &'a [u8],
    /// The body has no members.
    empty: bool,
    config: Option<Member<'a>>,
    /// The members of `generationConfig`.
    within: Vec<Member<'a>>,
    cached: Option<Member<'a>>,
    tools: Option<Member<'a>>,
    tier: Option<Member<'a>>,
    labels: Option<Member<'a>>,
}

impl<'a> Generate<'a> {
    /// Picks them out of the `members` of the body.
    pub(super) fn pick(body: &'a [u8], members: &[Member<'a>]) -> Result<Self, BadRequest> {
        let find = |camel, snake| either(members, camel, snake, camel);
        let config = find("generationConfig", "generation_config")?;
        let within = match &config {
            Some(config) if config.kind == Kind::Object => strict::members(body, config.value),
            Some(config) if config.kind != Kind::Null => {
                return Err(wrong_kind("generationConfig", "an object", config));
            }
            _ => Vec::new(),
        };
        Ok(Self {
            body,
            empty: members.is_empty(),
            within,
            config,
            cached: find("cachedContent", "cached_content")?,
            tools: find("tools", "tools")?,
            tier: find("serviceTier", "service_tier")?,
            labels: find("labels", "labels")?,
        })
    }

    /// The output cap, and where one may be put.
    pub(super) fn caps(&self, insert_at: usize) -> Result<Caps, BadRequest> {
        const PATH: &str = "generationConfig.maxOutputTokens";
        let member = either(&self.within, "maxOutputTokens", "max_output_tokens", PATH)?;
        let generation = match (&self.config, member) {
            (None, _) => GenerationCap::NoConfig { empty: self.empty },
            (Some(config), _) if config.kind == Kind::Null => GenerationCap::NullConfig(config.value),
            (Some(config), None) => {
                GenerationCap::NoMember { insert_at: config.value.start + 1, empty: self.within.is_empty() }
            }
            (Some(_), Some(member)) => {
                let tokens = integer(self.body, PATH, Some(&member))?;
                GenerationCap::Member(CapMember { key: member.key_span, value: member.value, tokens })
            }
        };
        Ok(Caps { insert_at, generation, ..Caps::default() })
    }

    /// `candidateCount`.
    pub(super) fn choices(&self, most: u64) -> Result<u32, BadRequest> {
        const PATH: &str = "generationConfig.candidateCount";
        let member = either(&self.within, "candidateCount", "candidate_count", PATH)?;
        match integer(self.body, PATH, member.as_ref())? {
            None => Ok(1),
            Some(count) if (1..=most).contains(&count) => Ok(u32::try_from(count).unwrap_or(u32::MAX)),
            Some(_) => Err(bad(PATH, format!("`{PATH}` must be between 1 and {most}"))),
        }
    }

    /// The pairs of `labels`.
    pub(super) fn metadata(&self, most: usize) -> Vec<(String, String)> {
        super::demand::pairs(self.body, self.labels.as_ref(), most)
    }

    /// What the request may cost beside its text: adds to what the pass over it told.
    pub(super) fn demand(&self, demand: &mut Demand) -> Result<(), BadRequest> {
        let tier = self.tier.as_ref().map_or(Ok(None), |tier| string(self.body, "serviceTier", tier))?;
        demand.service_tier = tier.map(|tier| tier.to_ascii_lowercase());
        if self.cached.as_ref().is_some_and(|cached| cached.kind != Kind::Null) {
            demand.unseen.get_or_insert_with(|| "cachedContent".to_owned());
        }
        self.modalities(demand)?;
        match self.node(self.tools.as_ref()) {
            None | Some(Node::Null) => Ok(()),
            Some(Node::List(tools)) => {
                for (index, tool) in tools.iter().enumerate() {
                    note_tool(index, tool, demand);
                }
                Ok(())
            }
            Some(other) => Err(bad("tools", format!("`tools` must be an array, not {}", other.kind()))),
        }
    }

    fn modalities(&self, demand: &mut Demand) -> Result<(), BadRequest> {
        const PATH: &str = "generationConfig.responseModalities";
        let member = either(&self.within, "responseModalities", "response_modalities", PATH)?;
        let Some(Node::List(modalities)) = self.node(member.as_ref()) else { return Ok(()) };
        for modality in modalities {
            match modality {
                Node::Text(word) if word.eq_ignore_ascii_case("TEXT") => {}
                Node::Text(word) if word.eq_ignore_ascii_case("AUDIO") => demand.audio_output = true,
                _ => demand.unpriced = Some(PATH), // pictures have a price of their own
            }
        }
        Ok(())
    }

    fn node(&self, member: Option<&Member<'_>>) -> Option<Node<'a>> {
        Node::read(self.body.get(member?.value.range())?).ok()
    }
}

/// A member by one of its two names.
fn either<'a>(
    members: &[Member<'a>],
    camel: &'static str,
    snake: &'static str,
    path: &str,
) -> Result<Option<Member<'a>>, BadRequest> {
    let mut found =
        members.iter().filter(|member| *member.key == *camel.as_bytes() || *member.key == *snake.as_bytes());
    match (found.next(), found.next()) {
        (Some(_), Some(_)) => Err(bad(path, format!("`{camel}` and `{snake}` are one member: send `{camel}` only"))),
        (found, _) => Ok(found.cloned()),
    }
}

/// Takes note of one element of `tools`: functions of the client's, and tools of Google's.
fn note_tool(index: usize, tool: &Node<'_>, demand: &mut Demand) {
    let Node::Map(members) = tool else { return };
    for (name, value) in &members.0 {
        match (&**name, value) {
            (_, Node::Null) => {}
            ("functionDeclarations" | "function_declarations", Node::List(functions)) => {
                let count = u32::try_from(functions.len()).unwrap_or(u32::MAX);
                demand.tools = demand.tools.saturating_add(count);
            }
            // Its calls come back to the client.
            ("computerUse" | "computer_use", _) => {
                demand.tools = demand.tools.saturating_add(1);
                demand.built_in_tools = demand.built_in_tools.saturating_add(1);
            }
            (name, _) => {
                demand.tools = demand.tools.saturating_add(1);
                demand.built_in_tools = demand.built_in_tools.saturating_add(1);
                let (kind, path) = (name.to_owned(), format!("tools[{index}].{}", echo(name)));
                demand.hosted.push(HostedTool { kind, path, max_uses: None, sized_container: false });
            }
        }
    }
}

#[cfg(test)]
#[path = "generate_tests.rs"]
mod tests;
