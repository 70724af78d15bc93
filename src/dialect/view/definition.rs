//! Definitions of tools and schemas: what a model is told of them in words.

use super::{cursor::Kind, names, walk::Walk};
use crate::model::{Form, Speech};

impl Walk<'_> {
    /// Takes the texts of the definitions that come: names, descriptions, and the values of schemas. The names of a
    /// schema's properties are keys, and no texts.
    pub(super) fn definition(&mut self) {
        match self.cursor.peek() {
            Kind::String => self.string(Form::String, Speech::Definition),
            Kind::Array | Kind::Object if self.cursor.too_deep() => self.json(Speech::Definition),
            Kind::Array => {
                self.cursor.enter();
                while self.cursor.more() {
                    self.definition();
                }
            }
            Kind::Object => {
                self.cursor.enter();
                while let Some(key) = self.cursor.key() {
                    self.defined(&key);
                }
            }
            Kind::Scalar | Kind::Null | Kind::Nothing => self.cursor.pass(),
        }
    }

    fn defined(&mut self, key: &[u8]) {
        let container = matches!(self.cursor.peek(), Kind::Array | Kind::Object);
        match key {
            b"properties"
            | b"$defs"
            | b"definitions"
            | b"patternProperties"
            | b"pattern_properties"
            | b"dependentSchemas"
            | b"defs"
                if self.cursor.peek() == Kind::Object =>
            {
                if self.cursor.too_deep() {
                    return self.json(Speech::Definition);
                }
                self.cursor.enter();
                while self.cursor.key().is_some() {
                    self.definition();
                }
            }
            b"default" | b"const" | b"example" | b"input_examples" if container => self.json(Speech::Definition),
            b"enum" | b"examples" => self.values(),
            // Of a grammar, or of an environment, more than words of the protocol may stand in it.
            b"format" | b"environment" if container => self.definition(),
            _ if is_silent(key) || names::is_silent(key) => self.cursor.pass(),
            _ => self.definition(),
        }
    }

    /// A list of values.
    fn values(&mut self) {
        if self.cursor.peek() != Kind::Array {
            return self.arguments(Form::String, Speech::Definition);
        }
        self.cursor.enter();
        while self.cursor.more() {
            match self.cursor.peek() {
                Kind::Scalar => self.cursor.pass(),
                _ => self.arguments(Form::String, Speech::Definition),
            }
        }
    }
}

/// Members whose strings tell a model nothing: words of the protocol, addresses, credentials.
fn is_silent(key: &[u8]) -> bool {
    matches!(
        key,
        b"type"
            | b"$ref"
            | b"$id"
            | b"$schema"
            | b"$anchor"
            | b"ref"
            | b"pattern"
            | b"required"
            | b"propertyOrdering"
            | b"property_ordering"
            | b"behavior"
            | b"syntax"
            | b"url"
            | b"server_url"
            | b"authorization"
            | b"authorization_token"
            | b"headers"
            | b"require_approval"
            | b"allowed_tools"
            | b"allowed_domains"
            | b"blocked_domains"
            | b"allowed_callers"
            | b"container"
            | b"environment"
            | b"size"
            | b"quality"
            | b"background"
            | b"moderation"
            | b"output_format"
            | b"input_fidelity"
            | b"search_context_size"
            | b"mode"
            | b"execution"
            | b"keep"
            | b"ranking_options"
    )
}
