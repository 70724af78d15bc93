//! Who asks, as far as a service is told: what the guard's `send` lists, and nothing else.

use super::Asked;
use std::collections::BTreeMap;

/// Of who asks, what a service is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Send {
    Model,
    Team,
    Key,
    User,
    Metadata,
}

/// Who asks, as far as a service is told.
#[derive(Debug, Default, Clone, serde::Serialize)]
pub(super) struct Who<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<&'a BTreeMap<String, String>>,
}

impl<'a> Who<'a> {
    /// What `send` lists.
    pub fn of(asked: &Asked<'a>, send: &[Send]) -> Self {
        let told = |what: Send| send.contains(&what);
        Self {
            model: told(Send::Model).then_some(asked.model),
            team: told(Send::Team).then_some(asked.team),
            key: told(Send::Key).then_some(asked.key),
            user: asked.user.filter(|_| told(Send::User)),
            metadata: told(Send::Metadata).then_some(asked.metadata),
        }
    }
}
