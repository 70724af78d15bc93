//! Fingerprints: whether something is still what it was, files that it names included. They are compared, never shown.

use super::tree::{Node, Value};
use super::{Provider, Section};
use sha2::{Digest, Sha256};
use std::path::Path;

impl Provider {
    /// Of all that makes connections to it, and of its credentials: the settings as resolved, and what stands in the files
    /// that they name.
    pub fn print(&self) -> [u8; 32] {
        let mut print = Print(Sha256::new());
        let Self { name, kind, settings, catalogue, protocol, uplink, rules: _, health: _ } = self;
        print.text(name);
        print.text(kind);
        print.text(catalogue.as_deref().unwrap_or_default());
        print.text(&format!("{protocol:?}"));
        settings.print(&mut print);
        let tls = uplink.client_cert.iter().flat_map(|pair| [&pair.cert, &pair.key]);
        uplink.ca_file.iter().chain(tls).for_each(|path| print.file(path));
        print.text(uplink.server_name.as_deref().unwrap_or_default());
        if let Some(proxy) = &uplink.proxy {
            print.text(&format!("{}:{}", proxy.host, proxy.port));
            print.text(proxy.authorization.as_ref().map(super::Secret::expose).unwrap_or_default());
        }
        print.0.finalize().into()
    }
}

/// A fingerprint that is being taken.
pub(super) struct Print(Sha256);

impl Print {
    /// Its length goes before it: two texts are never one.
    fn text(&mut self, text: &str) {
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text);
    }

    fn file(&mut self, path: &Path) {
        self.text(&path.to_string_lossy());
        if path.metadata().is_ok_and(|about| about.is_file() && about.len() <= MOST_BYTES)
            && let Ok(bytes) = std::fs::read(path)
        {
            self.0.update(Sha256::digest(bytes));
        }
    }

    pub(super) fn node(&mut self, node: &Node, base: &Path) {
        self.text(&node.path);
        match &node.value {
            Value::Cut => {}
            Value::List(items) => items.iter().for_each(|item| self.node(item, base)),
            Value::Map(entries) => entries.iter().for_each(|(_, node)| self.node(node, base)),
            Value::Scalar(scalar) => {
                self.text(&scalar.text);
                // Any value may be a path, to a file of credentials for one: only the provider's folder knows.
                if scalar.text.contains(['/', '.']) && scalar.text.len() < LONGEST_PATH {
                    self.file(&base.join(&scalar.text));
                }
            }
        }
    }
}

impl Section {
    fn print(&self, print: &mut Print) {
        self.printed(|node, base| print.node(node, base));
    }
}

/// A larger file is no credential.
const MOST_BYTES: u64 = 1 << 20;
/// A longer text is no path.
const LONGEST_PATH: usize = 4096;
