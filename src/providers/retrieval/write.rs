//! Bodies of requests, member by member.

use bytes::Bytes;

/// A JSON object in the making.
pub(in crate::providers) struct Body(Vec<u8>);

impl Body {
    /// With room for `texts`.
    pub(in crate::providers) fn with_room_for(texts: &[Bytes]) -> Self {
        let room = texts.iter().map(|text| text.len() + 1).sum::<usize>() + 256;
        let mut out = Vec::with_capacity(room);
        out.push(b'{');
        Self(out)
    }

    /// A member whose value is the JSON text `json`.
    pub(in crate::providers) fn json(&mut self, name: &str, json: &[u8]) -> &mut Self {
        self.name(name).extend_from_slice(json);
        self
    }

    /// A member that is a string.
    pub(in crate::providers) fn text(&mut self, name: &str, text: &str) -> &mut Self {
        serde_json::to_writer(self.name(name), text).expect("a text can be written");
        self
    }

    /// A member that is a number, if there is one.
    pub(in crate::providers) fn whole(&mut self, name: &str, number: Option<u64>) -> &mut Self {
        match number {
            Some(number) => self.json(name, number.to_string().as_bytes()),
            None => self,
        }
    }

    /// A member that is true or false, if it is said.
    pub(in crate::providers) fn flag(&mut self, name: &str, flag: Option<bool>) -> &mut Self {
        match flag {
            Some(flag) => self.json(name, if flag { b"true" } else { b"false" }),
            None => self,
        }
    }

    /// A member that is a word of the API, if there is one.
    pub(in crate::providers) fn word(&mut self, name: &str, word: Option<&str>) -> &mut Self {
        match word {
            Some(word) => self.text(name, word),
            None => self,
        }
    }

    /// A member that is an array of JSON strings.
    pub(in crate::providers) fn list(&mut self, name: &str, texts: &[Bytes]) -> &mut Self {
        let out = self.name(name);
        out.push(b'[');
        for (index, text) in texts.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(text);
        }
        out.push(b']');
        self
    }

    /// The body.
    pub(in crate::providers) fn end(&mut self) -> Bytes {
        self.0.push(b'}');
        Bytes::from(std::mem::take(&mut self.0))
    }

    fn name(&mut self, name: &str) -> &mut Vec<u8> {
        if self.0.last() != Some(&b'{') {
            self.0.push(b',');
        }
        self.0.push(b'"');
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
        &mut self.0
    }
}
