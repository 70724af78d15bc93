//! What a model takes, by its version: newer ones refuse with status 400 what older ones need.
//!
//! Told by <https://platform.claude.com/docs/en/about-claude/models/migration-guide>,
//! <https://platform.claude.com/docs/en/build-with-claude/thinking-troubleshooting> and
//! <https://platform.claude.com/docs/en/build-with-claude/structured-outputs>,
//! <https://platform.claude.com/docs/en/models/opus-5-5/whats-new-opus-5-5> and
//! <https://platform.claude.com/docs/en/models/sonnet-5-5/whats-new-sonnet-5-5>. A name without a version (a local server's
//! model, an alias) is taken for one of the older ones, which all servers imitate.

/// What a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::providers) struct Ability {
    /// `output_config.format`: from 4.5 on.
    pub(in crate::providers) structured: bool,
    /// `thinking: adaptive` and `output_config.effort` (from 4.6 on); else a budget of tokens.
    pub(in crate::providers) adaptive: bool,
    /// The effort `xhigh`: from 4.7 on.
    pub(in crate::providers) xhigh: bool,
    /// `temperature`, `top_p`, `top_k`: up to 4.6.
    pub(in crate::providers) sampling: bool,
    /// `temperature` together with `top_p`: before 4.1.
    pub(in crate::providers) both_samplers: bool,
    /// `tool_choice` of `any` or `tool`: not where thinking cannot be parted from calls (Fable and Mythos from 5.1 on,
    /// Opus and Sonnet from 5.5 on).
    pub(in crate::providers) forced_calls: bool,
    /// How it is told not to think.
    pub(in crate::providers) off: Off,
}

/// How a model is told not to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::providers) enum Off {
    /// It does not unless it is told to.
    Default,
    /// `thinking: disabled`.
    Disabled,
    /// `thinking: between_tools`.
    BetweenTools,
    /// It always thinks: as little as it can.
    LeastEffort,
}

impl Ability {
    /// Of the model of this name.
    pub(in crate::providers) fn of(model: &str) -> Self {
        let (family, version) = version(model);
        let deep = matches!(family, "fable" | "mythos");
        let off = match (family, version) {
            ("fable" | "mythos", _) | ("opus", (5, 5..) | (6.., _)) => Off::LeastEffort,
            ("sonnet", (5, 5)) => Off::BetweenTools,
            (_, (5.., _)) => Off::Disabled,
            _ => Off::Default,
        };
        let unforced = match family {
            "fable" | "mythos" => version >= (5, 1),
            "opus" | "sonnet" => version >= (5, 5),
            _ => false,
        };
        Self {
            structured: deep || version >= (4, 5),
            adaptive: deep || version >= (4, 6),
            xhigh: deep || version >= (4, 7),
            sampling: !deep && version < (4, 7),
            both_samplers: !deep && version < (4, 1),
            forced_calls: !unforced,
            off,
        }
    }
}

/// The family and version in a model's name, also as Bedrock and Vertex write it: `claude-3-7-sonnet@20250219`,
/// `anthropic.claude-opus-4-6-v1`. `("", (0, 0))`: none is told.
fn version(model: &str) -> (&str, (u8, u8)) {
    const FAMILIES: [&str; 5] = ["opus", "sonnet", "haiku", "fable", "mythos"];
    let Some(at) = model.find("claude") else { return ("", (0, 0)) };
    let words = || model[at..].split(|c: char| !c.is_ascii_alphanumeric());
    let family = words().find(|word| FAMILIES.contains(word)).unwrap_or("");
    // A date is no version.
    let number = |word: &str| if word.len() <= 2 { word.parse::<u8>().ok() } else { None };
    let mut numbers = words().map(number).skip_while(Option::is_none).map_while(|number| number);
    (family, (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_names() {
        let cases = [
            ("claude-3-5-sonnet-20241022", ("sonnet", (3, 5))),
            ("claude-3-7-sonnet@20250219", ("sonnet", (3, 7))),
            ("claude-sonnet-4-20250514", ("sonnet", (4, 0))),
            ("claude-opus-4-1-20250805", ("opus", (4, 1))),
            ("us.anthropic.claude-opus-4-6-v1:0", ("opus", (4, 6))),
            ("claude-sonnet-5", ("sonnet", (5, 0))),
            ("claude-mythos-preview", ("mythos", (0, 0))),
            ("claude", ("", (0, 0))),
            ("llama-4-5", ("", (0, 0))),
            ("", ("", (0, 0))),
        ];
        for (name, want) in cases {
            assert_eq!(version(name), want, "{name}");
        }
    }

    #[test]
    fn what_a_model_refuses_is_known_by_its_version() {
        let of = Ability::of;
        assert!(!of("local").adaptive && of("local").sampling && of("local").forced_calls && !of("local").structured);
        assert!(of("claude-haiku-4-5").structured && !of("claude-haiku-4-5").adaptive);
        assert!(of("claude-sonnet-4-6").adaptive && of("claude-sonnet-4-6").sampling);
        assert!(!of("claude-opus-4-7").sampling && of("claude-opus-4-7").forced_calls);
        assert!(!of("claude-opus-5-5").forced_calls && of("claude-haiku-5-5").forced_calls);
        let offs = [
            ("claude-sonnet-4-5", Off::Default),
            ("claude-sonnet-5", Off::Disabled),
            ("claude-sonnet-5-5", Off::BetweenTools),
            ("claude-opus-5", Off::Disabled),
            ("claude-opus-5-5", Off::LeastEffort),
            ("claude-mythos-preview", Off::LeastEffort),
        ];
        for (name, want) in offs {
            assert_eq!(of(name).off, want, "{name}");
        }
    }
}
